import shutil

import nibabel as nib
import numpy as np
import pytest

from voxelbench.data.brats_layout import SEG
from voxelbench.errors import DataError

ROOT = "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData"


def native_file(raw, case_id, contrast):
    return raw / ROOT / case_id / f"{case_id}-{contrast}.nii.gz"


def test_twin_is_prepared_as_the_real_set(write_twin, prepare, assert_same_world):
    raw, card = write_twin("brats23")
    cases = prepare(raw, card)
    assert len(cases) == 6
    for case in cases:
        assert case.channels == ("t1n", "t1c", "t2w", "t2f")
        assert case.case_id.startswith(f"{case.patient_id}-")
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        for contrast in case.channels:
            assert_same_world(case, contrast, native_file(raw, case.case_id, contrast))
    assert {value for case in cases for value in np.unique(case.label())} == {0, 1, 2, 3}


def test_grid_in_millimetres(write_twin, prepare):
    raw, card = write_twin("brats23")
    for case in prepare(raw, card, 5.0):
        assert case.spacing_mm == pytest.approx((5, 5, 5))
        assert set(np.unique(case.label())) <= set(card.labels)


def test_time_points_of_a_patient_stay_together(write_twin, prepare):
    raw, card = write_twin("brats23")
    first = min((raw / ROOT).iterdir())
    later = f"{first.name[:-3]}009"
    shutil.copytree(first, first.with_name(later))
    for file in list(first.with_name(later).iterdir()):
        file.rename(file.with_name(file.name.replace(first.name, later)))
    patients = [case.patient_id for case in prepare(raw, card)]
    assert patients.count(first.name[:-4]) >= 2


def test_missing_label_names_volume_and_label(write_twin, prepare):
    raw, card = write_twin("brats23")
    case_id = min((raw / ROOT).iterdir()).name
    native_file(raw, case_id, SEG).unlink()
    with pytest.raises(DataError, match=rf"{case_id}-t1n\.nii\.gz: its label {case_id}-seg\.nii\.gz is missing"):
        prepare(raw, card)


def test_enhancing_tumour_numbered_as_in_2021(write_twin, prepare):
    raw, card = write_twin("brats23")
    file = native_file(raw, min((raw / ROOT).iterdir()).name, SEG)
    image = nib.load(file)
    label = np.where(np.asarray(image.dataobj) == 2, 4, 0).astype(np.uint8)
    nib.save(nib.Nifti1Image(label, image.affine), file)
    with pytest.raises(DataError, match=r"has label 4, card\.yaml lists"):
        prepare(raw, card)


def test_missing_contrast_is_named(write_twin, prepare):
    raw, card = write_twin("brats23")
    native_file(raw, min((raw / ROOT).iterdir()).name, "t2f").unlink()
    with pytest.raises(DataError, match=r"-t2f\.nii\.gz: no such file"):
        prepare(raw, card)
