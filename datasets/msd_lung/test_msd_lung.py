import nibabel as nib
import numpy as np
import pytest

from voxelbench.errors import DataError


def test_twin_is_prepared_as_the_real_set(write_twin, prepare, assert_same_world):
    raw, card = write_twin("msd_lung")
    cases = prepare(raw, card)
    assert {case.case_id for case in cases} == {path.name[:-7] for path in (raw / "imagesTr").iterdir()}
    for case in cases:
        assert case.channels == ("ct",)
        assert case.patient_id == case.case_id
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        assert_same_world(case, "ct", raw / "imagesTr" / f"{case.case_id}.nii.gz")
    assert {value for case in cases for value in np.unique(case.label())} == set(card.labels)


def test_tumour_is_dense_and_small(write_twin, prepare):
    raw, card = write_twin("msd_lung")
    for case in prepare(raw, card, 6.0):
        volume, tumour = case.read()[0], case.label() == 1
        assert 0.0001 < tumour.mean() < 0.005
        assert volume[tumour].mean() > -400


def test_missing_label_is_named_beside_its_volume(write_twin, prepare):
    raw, card = write_twin("msd_lung")
    label = next((raw / "labelsTr").iterdir())
    label.unlink()
    with pytest.raises(DataError, match=rf"imagesTr/{label.name}: its label .*labelsTr/{label.name} is missing"):
        prepare(raw, card)
