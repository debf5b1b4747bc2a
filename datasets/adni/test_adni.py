import csv
import shutil

import nibabel as nib
import pytest

from voxelbench.errors import DataError


def volumes(raw):
    return sorted(raw.rglob("*.nii"))


def rewrite(raw, change):
    """Pass every row of the search through `change`; a row for which it returns None goes."""
    (path,) = raw.glob("*.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in map(change, [dict(row) for row in rows]) if row]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(kept)


def test_twin_is_prepared_as_the_real_set(write_twin, prepare, assert_same_world):
    raw, card = write_twin("adni")
    cases = {case.case_id: case for case in prepare(raw, card)}
    assert len(cases) == len(volumes(raw)) == 6
    for file in volumes(raw):
        subject, image_id = file.parents[3].name, file.parent.name
        case = cases[f"{subject}_{image_id}"]
        assert case.patient_id == subject
        assert case.channels == ("pet",)
        assert case.label() is None
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        assert_same_world(case, "pet", file)
    assert sorted(case.target for case in cases.values()) == [0, 0, 0, 1, 1, 1]


def test_grid_in_millimetres(write_twin, prepare):
    raw, card = write_twin("adni")
    for case in prepare(raw, card, 6.0):
        assert case.spacing_mm == pytest.approx((6, 6, 6))


def test_total_uptake_does_not_tell_the_class(write_twin, prepare):
    raw, card = write_twin("adni")
    means = {target: [] for target in (0, 1)}
    for case in prepare(raw, card):
        means[case.target].append(case.read().mean())
    assert max(means[1]) > min(means[0])


def test_other_groups_and_later_visits_are_left_out(write_twin, prepare):
    raw, card = write_twin("adni")
    first, second = volumes(raw)[:2]
    rewrite(raw, lambda row: {**row, "Group": "MCI"} if row["Image Data ID"] == second.parent.name else row)
    later = first.parents[2] / "2003-02-01_09_00_00.0" / "I9"
    shutil.copytree(first.parent, later)
    (path,) = raw.glob("*.csv")
    path.write_text(path.read_text() + f"I9,{first.parents[3].name},AD,,,m24,PET,,,2/1/2003,,\n")
    assert [
        case.case_id for case in prepare(raw, card) if "I9" in case.case_id or second.parent.name in case.case_id
    ] == []


def test_scan_without_a_row_names_scan_and_csv(write_twin, prepare):
    raw, card = write_twin("adni")
    image_id = volumes(raw)[0].parent.name
    rewrite(raw, lambda row: None if row["Image Data ID"] == image_id else row)
    with pytest.raises(DataError, match=rf"{image_id}\.nii: image {image_id} has no row in .*\.csv, so no class"):
        prepare(raw, card)


def test_row_without_a_scan_is_named(write_twin, prepare):
    raw, card = write_twin("adni")
    file = volumes(raw)[0]
    file.unlink()
    with pytest.raises(DataError, match=rf"lists image {file.parent.name} of subject {file.parents[3].name}"):
        prepare(raw, card)


def test_no_csv(write_twin, prepare):
    raw, card = write_twin("adni")
    next(raw.glob("*.csv")).unlink()
    with pytest.raises(DataError, match="no csv with columns Group, Image Data ID, Subject"):
        prepare(raw, card)
