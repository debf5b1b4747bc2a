import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from voxelbench import registry
from voxelbench.data.brats_layout import SEG
from voxelbench.data.splits import select
from voxelbench.datasets.brats21.dataset import FOLDS
from voxelbench.errors import DataError


def native_file(raw, case_id, contrast):
    return raw / "TrainingData" / case_id / f"{case_id}_{contrast}.nii.gz"


def test_twin_is_prepared_as_the_real_set(write_twin, prepare, assert_same_world):
    raw, card = write_twin("brats21")
    cases = prepare(raw, card)
    assert len(cases) == 6
    for case in cases:
        assert case.channels == ("flair", "t1ce", "t1", "t2")
        assert case.patient_id == case.case_id
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        assert_same_world(case, "t1ce", native_file(raw, case.case_id, "t1ce"))
    assert {value for case in cases for value in np.unique(case.label())} == {0, 1, 2, 4}


def test_one_millimetre_grid_keeps_labels_and_the_empty_outside(write_twin, prepare):
    raw, card = write_twin("brats21")
    for case in prepare(raw, card, 5.0):
        assert case.spacing_mm == pytest.approx((5, 5, 5))
        assert set(np.unique(case.label())) <= set(card.labels)
        assert (case.read()[:, 0, 0, 0] == 0).all()


def test_contrasts_show_their_part_of_the_tumour(write_twin, prepare):
    raw, card = write_twin("brats21")
    for case in prepare(raw, card):
        flair, t1ce, t1, _ = case.read()
        label = case.label()
        healthy = (label == 0) & (t1 > 0)
        assert flair[label == 2].mean() > 1.2 * flair[healthy].mean()
        if (label == 4).any():
            assert t1ce[label == 4].mean() > 1.2 * t1ce[healthy].mean()


def test_twin_has_equal_bytes_twice(write_twin, tmp_path):
    raw, card = write_twin("brats21")
    registry.load_dataset("brats21").phantom(tmp_path / "again", card)
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (raw, tmp_path / "again")
    )
    assert first == second


def test_unlabelled_and_mac_files_are_no_cases(write_twin, prepare):
    raw, card = write_twin("brats21")
    source = next((raw / "TrainingData").iterdir())
    unlabelled = raw / "ValidationData" / "BraTS2021_01700"
    unlabelled.mkdir(parents=True)
    shutil.copy(native_file(raw, source.name, "flair"), unlabelled / "BraTS2021_01700_flair.nii.gz")
    (source / f"._{source.name}_t1.nii.gz").write_bytes(b"\0")
    assert len(prepare(raw, card)) == 6


def test_missing_label_names_volume_and_label(write_twin, prepare):
    raw, card = write_twin("brats21")
    case_id = next((raw / "TrainingData").iterdir()).name
    native_file(raw, case_id, SEG).unlink()
    with pytest.raises(DataError, match=rf"{case_id}_flair.nii.gz: its label {case_id}_seg.nii.gz is missing"):
        prepare(raw, card)


def test_listed_case_that_is_not_there(write_twin, prepare):
    raw, card = write_twin("brats21")
    folder = next((raw / "TrainingData").iterdir())
    shutil.rmtree(folder)
    with pytest.raises(DataError, match=rf"{folder.name}_seg.nii.gz, but no folder {folder.name} is there"):
        prepare(raw, card)


def test_empty_folder(write_twin, prepare):
    raw, card = write_twin("brats21")
    shutil.rmtree(raw)
    raw.mkdir()
    with pytest.raises(DataError, match="no case of brats21 found"):
        prepare(raw, card)


def test_the_folds_of_the_file_are_a_split(write_twin, prepare):
    raw, card = write_twin("brats21")
    folds = json.loads((raw / FOLDS).read_text())["training"]
    cases = prepare(raw, card)
    for fold in {entry["fold"] for entry in folds}:
        tested = select(cases, card, "swin_unetr_5fold", fold, "test")
        assert sorted(case.case_id for case in tested) == sorted(
            Path(entry["label"]).parent.name for entry in folds if entry["fold"] == fold
        )


def test_without_the_file_its_split_says_what_to_fetch(write_twin, prepare):
    raw, card = write_twin("brats21")
    (raw / FOLDS).unlink()
    with pytest.raises(DataError, match=r"put brats21_folds.json under data/raw/brats21 and prepare the dataset again"):
        select(prepare(raw, card), card, "swin_unetr_5fold", 0, "test")
