"""What holds for every dataset of the Medical Segmentation Decathlon that a table has."""

import nibabel as nib
import numpy as np
import pytest

from voxelbench import registry
from voxelbench.errors import DataError

NAMES = [
    name
    for name in registry.names("datasets")
    if name.startswith("msd_") and registry.dataset_card(name).twin is not None
]
"""Those that a task is of; of the others only volumes are read, to pretrain on (test_collections.py)."""

every_set = pytest.mark.parametrize("name", NAMES)


def test_the_sets_of_the_benchmark_are_there():
    assert NAMES == ["msd_liver", "msd_lung", "msd_spleen"]


@every_set
def test_twin_is_prepared_as_the_real_set(name, write_twin, prepare, assert_same_world):
    raw, card = write_twin(name)
    cases = prepare(raw, card)
    assert {case.case_id for case in cases} == {path.name[:-7] for path in (raw / "imagesTr").iterdir()}
    for case in cases:
        assert case.channels == ("ct",)
        assert case.patient_id == case.case_id
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        assert_same_world(case, "ct", raw / "imagesTr" / f"{case.case_id}.nii.gz")
    assert {value for case in cases for value in np.unique(case.label())} == set(card.labels)


@every_set
def test_missing_label_is_named_beside_its_volume(name, write_twin, prepare):
    raw, card = write_twin(name)
    label = next((raw / "labelsTr").iterdir())
    label.unlink()
    with pytest.raises(DataError, match=rf"imagesTr/{label.name}: its label .*labelsTr/{label.name} is missing"):
        prepare(raw, card)
