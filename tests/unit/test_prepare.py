"""Preparation checks every file, names what is wrong in one sentence, and goes on where it stopped."""

import re
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from voxelbench import paths
from voxelbench.data.case import read_cases
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare import prepare_cases
from voxelbench.errors import DataError

SHAPE = (9, 14, 6)
OTHER_AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])


@pytest.fixture
def raw(tmp_path, write_nifti):
    """Return a native folder of two cases, each with a volume and a mask."""
    rng = np.random.RandomState(0)
    for name in ("a", "b"):
        write_nifti(tmp_path / "raw" / f"{name}.nii.gz", rng.randint(-1000, 1000, SHAPE).astype(np.int16))
        write_nifti(tmp_path / "raw" / f"{name}_mask.nii.gz", rng.randint(0, 2, SHAPE).astype(np.uint8))
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "prepared"


def native_cases(raw):
    return [NativeCase(name, f"p{name}", (raw / f"{name}.nii.gz",), raw / f"{name}_mask.nii.gz") for name in ("a", "b")]


@pytest.fixture
def refused(raw, out, make_card):
    """Return a function that prepares, asserts that nothing looks finished, and returns the sentence."""

    def prepare(card=None, cases=None):
        with pytest.raises(DataError) as caught:
            prepare_cases(native_cases(raw) if cases is None else cases, raw, out, card or make_card(), "native")
        assert not paths.manifest(out).exists()
        assert not list(out.glob("*.partial"))
        return str(caught.value)

    return prepare


def test_what_is_prepared_is_what_was_there(raw, out, make_card, tmp_path):
    prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    cases = read_cases(paths.manifest(out))
    assert [case.case_id for case in cases] == ["a", "b"]
    for case in cases:
        image = nib.load(raw / f"{case.case_id}.nii.gz")
        np.testing.assert_array_equal(case.read()[0], image.dataobj)
        np.testing.assert_array_equal(case.label(), nib.load(raw / f"{case.case_id}_mask.nii.gz").dataobj)
        np.testing.assert_allclose(case.affine, image.affine, rtol=1e-6)
        assert case.spacing_mm == pytest.approx((0.8, 1.5, 3.0)) and case.shape == SHAPE


def test_equal_input_gives_equal_bytes(raw, tmp_path, make_card):
    for name in ("first", "second"):
        prepare_cases(native_cases(raw), raw, tmp_path / name, make_card(), 2.0)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_no_case(raw, refused):
    assert refused(cases=[]) == f"{raw}: no case of toy found. Expected its native layout; see datasets/toy/README.md."


def test_a_missing_file(raw, refused):
    (raw / "b.nii.gz").unlink()
    assert refused() == (
        f"{raw}/b.nii.gz: no such file; the case is listed but its volume is missing. "
        "Restore it from the dataset's archive."
    )


@pytest.mark.parametrize("keep", [0, 5, 60, 0.5, 0.95])
def test_a_truncated_file(raw, refused, keep):
    path = raw / "b.nii.gz"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    expected = rf"{re.escape(str(path))}: not a complete NIfTI file \(\w+\). It may be truncated: copy it again\."
    assert re.fullmatch(expected, refused())


def test_a_file_that_is_no_nifti(raw, refused):
    (raw / "b.nii.gz").write_text("<html>please log in</html>")
    assert refused().startswith(f"{raw}/b.nii.gz: not a complete NIfTI file (")


def test_nan(raw, refused, write_nifti):
    volume = np.zeros(SHAPE, np.float32)
    volume[1, 2, 3], volume[4, 5, 1] = np.nan, np.inf
    path = write_nifti(raw / "b.nii.gz", volume)
    assert refused() == f"case b, ct ({path}) has 2 voxels that are NaN or infinite; mend the file or drop the case."


def test_four_axes(raw, refused, write_nifti):
    path = write_nifti(raw / "b.nii.gz", np.zeros((*SHAPE, 2), np.int16))
    assert refused() == f"{path}: has shape (9, 14, 6, 2), expected three axes (X, Y, Z)."


@pytest.mark.parametrize(
    ("labels", "listed"),
    [({0: "background", 1: "a", 2: "b"}, "0..2"), ({0: "background", 1: "a", 2: "b", 4: "c"}, "0, 1, 2, 4")],
)
def test_a_label_that_the_card_does_not_list(raw, refused, make_card, write_nifti, labels, listed):
    label = np.zeros(SHAPE, np.uint8)
    label[3, 3, 3] = 3
    write_nifti(raw / "b_mask.nii.gz", label)
    assert refused(make_card(labels=labels)) == (
        f"toy: case b has label 3, card.yaml lists {listed}. Extend `labels` or map it in prepare()."
    )


def test_a_label_that_is_no_whole_number(raw, refused, write_nifti):
    write_nifti(raw / "b_mask.nii.gz", np.full(SHAPE, 0.5, np.float32))
    assert refused().startswith("toy: case b has label 0.5, card.yaml lists 0..1.")


def test_a_mask_of_another_shape(raw, refused, write_nifti):
    path = write_nifti(raw / "b_mask.nii.gz", np.zeros((9, 14, 5), np.uint8))
    assert refused() == (
        f"case b, label ({path}) has shape (9, 14, 5), its volume has (9, 14, 6); resample it onto the same grid."
    )


def test_a_mask_elsewhere_in_the_world(raw, refused, write_nifti):
    path = write_nifti(raw / "b_mask.nii.gz", np.zeros(SHAPE, np.uint8), OTHER_AFFINE)
    assert refused() == (
        f"case b, label ({path}) has another affine than the case's first channel; resample it onto the same grid."
    )


def two_channels(raw):
    return [replace(case, channels=(case.channels[0], raw / "second.nii.gz")) for case in native_cases(raw)[:1]]


def test_channels_on_different_grids(raw, refused, make_card, write_nifti):
    card = make_card(channels=("pet", "ct"), units=("suv", "HU"), inputs=("pet",))
    path = write_nifti(raw / "second.nii.gz", np.zeros((9, 7, 6), np.int16))
    assert refused(card, two_channels(raw)) == (
        f"case a, ct ({path}) has shape (9, 7, 6), the case's first channel has (9, 14, 6); "
        "resample it onto the same grid."
    )
    write_nifti(path, np.zeros(SHAPE, np.int16), OTHER_AFFINE)
    assert refused(card, two_channels(raw)) == (
        f"case a, ct ({path}) has another affine than the case's first channel; resample it onto the same grid."
    )


def test_a_dataset_without_spacing_has_no_grid_in_mm(raw, out, make_card):
    with pytest.raises(DataError) as caught:
        prepare_cases(native_cases(raw), raw, out, make_card(has_spacing=False), 1.5)
    assert str(caught.value) == "toy has no spacing, so it cannot be put on a grid of 1.5 mm; use `--grid native`."


def test_a_stopped_preparation_keeps_its_finished_cases(raw, out, make_card, refused):
    content = (raw / "b.nii.gz").read_bytes()
    (raw / "b.nii.gz").write_bytes(content[:50])
    refused()
    finished = out / "a.image.h5"
    stamp = finished.stat().st_mtime_ns
    (raw / "b.nii.gz").write_bytes(content)
    prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    assert finished.stat().st_mtime_ns == stamp
    assert [case.case_id for case in read_cases(paths.manifest(out))] == ["a", "b"]
    assert sorted(path.name for path in out.iterdir()) == [
        *("a.image.h5", "a.label.h5", "b.image.h5", "b.label.h5"),
        *sorted(path(out).name for path in (paths.journal, paths.manifest, paths.sources)),
    ]


def test_a_case_that_changed_meanwhile_is_prepared_again(raw, out, make_card, refused, write_nifti):
    (raw / "b.nii.gz").unlink()
    refused()
    write_nifti(raw / "a.nii.gz", np.full(SHAPE, 7, np.int16))
    write_nifti(raw / "b.nii.gz", np.zeros(SHAPE, np.int16))
    prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    assert np.all(read_cases(paths.manifest(out))[0].read() == 7)


def test_a_failed_second_preparation_takes_the_old_manifest_away(raw, out, make_card, refused):
    prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    (raw / "a.nii.gz").unlink()
    refused()


def test_a_manifest_of_another_version_is_one_sentence(raw, out, make_card):
    prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    manifest = paths.manifest(out)
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([lines[0].replace("patient_id", "subject"), *lines[1:]]))
    with pytest.raises(DataError) as caught:
        read_cases(manifest)
    assert str(caught.value) == (
        f"{manifest}: not a manifest of this version ('patient_id'). Delete it and prepare the dataset again."
    )


def test_a_missing_manifest_says_what_to_run(out):
    with pytest.raises(DataError) as caught:
        read_cases(paths.manifest(out))
    assert str(caught.value) == (
        f"{paths.manifest(out)}: no such manifest. Run `voxelbench prepare` for this dataset first."
    )
