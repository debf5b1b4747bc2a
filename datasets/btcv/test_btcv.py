import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from voxelbench.errors import DataError


def test_twin_is_prepared_as_the_real_set(write_twin, prepare, assert_same_world):
    raw, card = write_twin("btcv")
    cases = prepare(raw, card)
    assert [case.case_id for case in cases] == sorted(path.name[:7] for path in (raw / "imagesTr").iterdir())
    for case in cases:
        assert case.channels == ("ct",)
        assert case.patient_id == case.case_id
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        assert_same_world(case, "ct", raw / "imagesTr" / f"{case.case_id}.nii.gz")
        assert set(np.unique(case.label())) == set(card.labels)


def test_organs_lie_on_their_side_of_the_body(write_twin, prepare):
    raw, card = write_twin("btcv")
    numbers = {organ: value for value, organ in card.labels.items()}
    for case in prepare(raw, card, 6.0):
        assert case.spacing_mm == pytest.approx((6, 6, 6))
        right = {organ: np.argwhere(case.label() == value)[:, 0].mean() for organ, value in numbers.items()}
        assert right["liver"] > right["aorta"] > right["spleen"]
        assert right["right kidney"] > right["left kidney"]
        assert right["inferior vena cava"] > right["aorta"]


def test_volumes_and_labels_need_no_manifest(write_twin, prepare):
    raw, card = write_twin("btcv")
    (raw / "dataset_0.json").unlink()
    (raw / "imagesTr" / "._img0001.nii.gz").write_bytes(b"\0")
    assert len(prepare(raw, card)) == 6


def test_manifest_marks_a_phantom(write_twin):
    raw, _ = write_twin("btcv")
    manifest = json.loads((raw / "dataset_0.json").read_text())
    assert "PHANTOM" in manifest["name"]
    assert manifest["training"][0] == {"image": "./imagesTr/img0001.nii.gz", "label": "./labelsTr/label0001.nii.gz"}


def test_missing_label_is_named_beside_its_volume(write_twin, prepare):
    raw, card = write_twin("btcv")
    (raw / "labelsTr" / "label0001.nii.gz").unlink()
    with pytest.raises(DataError, match=r"img0001.nii.gz: its label .*label0001.nii.gz is missing; restore it"):
        prepare(raw, card)


def test_label_beyond_the_thirteen_organs(write_twin, prepare):
    raw, card = write_twin("btcv")
    path = raw / "labelsTr" / "label0001.nii.gz"
    image = nib.load(path)
    label = np.asarray(image.dataobj).copy()
    label[0, 0, 0] = 17
    nib.save(nib.Nifti1Image(label, image.affine), path)
    with pytest.raises(DataError, match=r"btcv: case img0001 has label 17, card.yaml lists 0..13"):
        prepare(raw, card)


def test_folder_without_the_layout(write_twin, prepare):
    raw, card = write_twin("btcv")
    shutil.rmtree(raw / "imagesTr")
    with pytest.raises(DataError, match="expected one folder imagesTr in it or below it, found 0"):
        prepare(raw, card)
