"""What every dataset promises: a twin is read as the real set, and no voxel moves in space."""

import nibabel as nib
import numpy as np
import pytest

from voxelbench.errors import DataError


def test_twin_is_prepared_as_the_real_set(write_twin, prepare, assert_same_world):
    raw, card = write_twin("_template")
    cases = prepare(raw, card)
    assert {case.case_id for case in cases} == {path.name[:-7] for path in (raw / "images").iterdir()}
    for case in cases:
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        assert_same_world(case, "ct", raw / "images" / f"{case.case_id}.nii.gz")
        assert set(np.unique(case.label())) == set(card.labels)


def test_grid_in_millimetres(write_twin, prepare):
    raw, card = write_twin("_template")
    for case in prepare(raw, card, 6.0):
        assert case.spacing_mm == pytest.approx((6, 6, 6))
        assert case.label().shape == case.shape


def test_missing_label_is_named_beside_its_volume(write_twin, prepare):
    raw, card = write_twin("_template")
    label = next((raw / "labels").iterdir())
    label.unlink()
    with pytest.raises(DataError, match=rf"images/{label.name}: its label .*labels/{label.name} is missing"):
        prepare(raw, card)


def test_empty_folder(prepare, write_twin, tmp_path):
    _, card = write_twin("_template")
    with pytest.raises(DataError, match="no case of _template found"):
        prepare(tmp_path / "empty", card)
