import nibabel as nib
import numpy as np
import pytest

from voxelbench.errors import DataError


def test_twin_is_prepared_as_the_real_set(write_twin, prepare, assert_same_world):
    raw, card = write_twin("msd_spleen")
    cases = prepare(raw, card)
    assert {case.case_id for case in cases} == {path.name[:-7] for path in (raw / "imagesTr").iterdir()}
    for case in cases:
        assert case.channels == ("ct",)
        assert case.patient_id == case.case_id
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        assert_same_world(case, "ct", raw / "imagesTr" / f"{case.case_id}.nii.gz")
    assert {value for case in cases for value in np.unique(case.label())} == set(card.labels)


def test_spleen_lies_on_the_left(write_twin, prepare):
    raw, card = write_twin("msd_spleen")
    for case in prepare(raw, card, 6.0):
        middle = case.shape[0] / 2
        assert np.argwhere(case.label())[:, 0].mean() < middle - 5


def test_missing_label_is_named_beside_its_volume(write_twin, prepare):
    raw, card = write_twin("msd_spleen")
    label = next((raw / "labelsTr").iterdir())
    label.unlink()
    with pytest.raises(DataError, match=rf"imagesTr/{label.name}: its label .*labelsTr/{label.name} is missing"):
        prepare(raw, card)
