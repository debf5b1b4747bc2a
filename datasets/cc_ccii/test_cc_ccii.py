import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from voxelbench.data.splits import all_listed, part_of
from voxelbench.errors import ChecksumError, DataError


def scans(raw):
    return sorted(folder for folder in raw.glob("*/*/*") if folder.is_dir())


def test_twin_is_prepared_as_the_real_set(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    cases = {case.case_id: case for case in prepare(raw, card)}
    assert set(cases) == {f"p{scan.parent.name}-s{scan.name}" for scan in scans(raw)}
    for scan in scans(raw):
        case = cases[f"p{scan.parent.name}-s{scan.name}"]
        assert case.patient_id == f"p{scan.parent.name}"
        assert case.spacing_mm is None
        assert card.classes[case.target] == scan.parents[1].name
        assert case.shape == (72, 72, len(list(scan.iterdir())))


def test_slices_are_in_the_order_of_their_numbers(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    scan = scans(raw)[0]
    case = {case.case_id: case for case in prepare(raw, card)}[f"p{scan.parent.name}-s{scan.name}"]
    for z in (2, 10, 29):
        np.testing.assert_array_equal(case.read()[0, :, :, z].T, np.asarray(Image.open(scan / f"{z}.png")))


@pytest.mark.parametrize("outer", ["CP-13", "CP-13/CP", "archives/CP-13/CP"])
def test_class_folders_may_lie_in_folders_named_like_their_archive(write_twin, prepare, outer):
    raw, card = write_twin("cc_ccii")
    ids = {case.case_id for case in prepare(raw, card)}
    moved = raw / "moved"
    (raw / "CP").rename(moved)
    (raw / outer).parent.mkdir(parents=True, exist_ok=True)
    moved.rename(raw / outer)
    assert {case.case_id for case in prepare(raw, card)} == ids


def test_colour_jpeg_is_read_as_grey_levels(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    scan = raw / "CP" / "1" / "2"
    scan.mkdir(parents=True)
    for name in ("IMG0002.JPG", "IMG0001.JPG"):
        Image.new("RGB", (20, 10), (100, 100, 100)).save(scan / name)
    (scan / "._IMG0001.JPG").write_bytes(b"\0")
    case = {case.case_id: case for case in prepare(raw, card)}["p1-s2"]
    assert case.shape == (20, 10, 2)
    assert np.abs(case.read() - 100).max() <= 1


def test_lists_name_each_scan_once_a_fold(write_twin):
    raw, card = write_twin("cc_ccii")
    for fold in range(3):
        rows = {
            name: list(csv.DictReader((raw / f"CC_CCII_fold{fold}_{name}.csv").open())) for name in ("train", "valid")
        }
        assert len(rows["train"]) + len(rows["valid"]) == 6
        for row in rows["valid"]:
            patient = f"p{row['patient_id']}"
            assert part_of(card, "patient_5fold", fold, f"{patient}-s{row['scan_id']}", patient, {}) == "test"
            assert card.classes[int(row["target"])] == row["label"]


def test_millimetre_grid_is_refused(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    with pytest.raises(DataError, match="cc_ccii has no spacing"):
        prepare(raw, card, 1.5)


def test_slice_of_another_size(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    file = scans(raw)[0] / "3.png"
    Image.new("L", (72, 70)).save(file)
    with pytest.raises(DataError, match=r"3.png: has 72 x 70 pixels, the scan's first slice 0.png 72 x 72; restore"):
        prepare(raw, card)


def test_empty_scan(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    scan = scans(raw)[0]
    shutil.rmtree(scan)
    scan.mkdir()
    with pytest.raises(DataError, match=rf"{scan.name}: holds no slice \(.png or .jpg\)"):
        prepare(raw, card)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"not an image"])
def test_unreadable_slice(write_twin, prepare, content):
    raw, card = write_twin("cc_ccii")
    (scans(raw)[0] / "3.png").write_bytes(content)
    with pytest.raises(DataError, match=r"3.png: not a complete image file"):
        prepare(raw, card)


def test_truncated_slice(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    file = scans(raw)[0] / "3.png"
    file.write_bytes(file.read_bytes()[:400])
    with pytest.raises(DataError, match=r"3.png: not a complete image file"):
        prepare(raw, card)


def test_sixteen_bit_slice(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    Image.fromarray(np.full((72, 72), 1000, np.uint16)).save(scans(raw)[0] / "3.png")
    with pytest.raises(DataError, match=r"3.png: has pixels of mode I;16, expected 8 bits"):
        prepare(raw, card)


def test_scan_in_two_folders(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    scan = scans(raw)[0]
    shutil.copytree(scan.parent, raw / f"{scan.parents[1].name}-2" / scan.parent.name)
    with pytest.raises(DataError, match=rf"scan p{scan.parent.name}-s{scan.name} is also in"):
        prepare(raw, card)


def test_folder_without_classes(write_twin, prepare, tmp_path):
    _, card = write_twin("cc_ccii")
    (tmp_path / "empty" / "other").mkdir(parents=True)
    with pytest.raises(DataError, match="no case of cc_ccii found"):
        prepare(tmp_path / "empty", card)


@pytest.mark.parametrize("axes", [(2, 1, 0), (1, 0, 2)], ids=["slices first", "slices last"])
def test_arrays_made_from_slices_give_the_same_cases(write_twin, prepare, axes):
    raw, card = write_twin("cc_ccii")
    before = {case.case_id: (case.target, case.read()) for case in prepare(raw, card)}
    (raw / "npy").mkdir()
    for scan in scans(raw):
        case_id = f"p{scan.parent.name}-s{scan.name}"
        np.save(raw / "npy" / f"{case_id}.npy", before[case_id][1][0].astype(np.uint8).transpose(axes))
        shutil.rmtree(scan)
    cases = prepare(raw, card)
    assert {case.case_id for case in cases} == set(before)
    for case in cases:
        assert case.target == before[case.case_id][0]
        np.testing.assert_array_equal(case.read(), before[case.case_id][1])


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        ("p1-s2", (4, 4, 3), "no row of a list CC_CCII_fold"),
        (None, (4, 4, 4), r"has shape \(4, 4, 4\), expected two equal axes"),
        (None, (5, 4, 3), r"has shape \(5, 4, 3\), expected two equal axes"),
    ],
)
def test_arrays_that_do_not_say_enough(write_twin, prepare, name, shape, sentence):
    raw, card = write_twin("cc_ccii")
    scan = scans(raw)[0]
    (raw / "npy").mkdir()
    np.save(raw / "npy" / f"{name or f'p{scan.parent.name}-s{scan.name}'}.npy", np.zeros(shape, np.uint8))
    shutil.rmtree(scan)
    with pytest.raises(DataError, match=sentence):
        prepare(raw, card)


def test_vocos_lists_are_a_split_whose_folds_may_overlap(write_twin, prepare):
    raw, card = write_twin("cc_ccii")
    lists = {path.name: path.read_text() for path in raw.glob("*.csv")}
    for name in ("train", "valid"):
        (raw / f"CC_CCII_fold1_{name}.csv").write_text(lists[f"CC_CCII_fold0_{name}.csv"])
    cases = prepare(raw, card)
    for fold in (0, 1):
        for name, part in (("train", "train"), ("valid", "test")):
            rows = csv.DictReader(lists[f"CC_CCII_fold0_{name}.csv"].splitlines())
            expected = sorted(f"p{row['patient_id']}-s{row['scan_id']}" for row in rows)
            found = [case.case_id for case in cases if part_in(cases, card, fold, case) == part]
            assert sorted(found) == expected


def part_in(cases, card, fold, case):
    listed = all_listed("cc_ccii", cases[0].image.parent)
    return part_of(card, "voco_csv", fold, case.case_id, case.patient_id, listed)


@pytest.mark.parametrize(
    ("spoil", "error", "sentence"),
    [
        (lambda text: text.replace("PHANTOM", "CP"), ChecksumError, "train.csv: md5 is .*, VoCo's list has 07da03dc"),
        (
            lambda text: text + text.splitlines()[-1].replace(",9", ",8") + "\n",
            DataError,
            "train.csv: lists 1 scans that are not there, the first is p8",
        ),
        (None, DataError, "train.csv: no such list, though the fold's other one is there"),
    ],
)
def test_a_list_that_is_not_vocos_is_refused(write_twin, prepare, spoil, error, sentence):
    raw, card = write_twin("cc_ccii")
    if spoil is None:
        (raw / "CC_CCII_fold0_train.csv").unlink()
    else:
        for path in raw.glob("CC_CCII_fold*.csv"):
            path.write_text(spoil(path.read_text()))
    with pytest.raises(error, match=sentence):
        prepare(raw, card)
