import shutil

import nibabel as nib
import numpy as np
import pytest

from voxelbench import registry
from voxelbench.data.splits import all_listed
from voxelbench.datasets.autopet import dataset
from voxelbench.errors import DataError


def studies(raw):
    return sorted(path.parent for path in raw.rglob("SUV.nii.gz"))


def case_id(study):
    return f"{study.parent.name}_{study.name.replace(' ', '-')}"


def test_twin_is_prepared_as_the_real_set(write_twin, prepare, assert_same_world):
    raw, card = write_twin("autopet")
    cases = {case.case_id: case for case in prepare(raw, card)}
    assert sorted(cases) == sorted(map(case_id, studies(raw)))
    for study in studies(raw):
        case = cases[case_id(study)]
        assert case.patient_id == study.parent.name
        assert case.channels == ("suv", "ct")
        assert case.units == ("SUV", "HU")
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        assert_same_world(case, "suv", study / "SUV.nii.gz")
        assert_same_world(case, "ct", study / "CTres.nii.gz")


def test_half_of_the_studies_have_lesions_hotter_than_the_body(write_twin, prepare):
    raw, card = write_twin("autopet")
    cases = prepare(raw, card, 6.0)
    assert sum(case.label().any() for case in cases) == 3
    for case in cases:
        (suv, ct), label = case.read(), case.label()
        assert set(np.unique(label)) <= {0, 1}
        if label.any():
            assert suv[label == 1].mean() > 2 * suv[(label == 0) & (ct > -200)].mean()


def test_organs_are_hotter_than_lesions(write_twin, prepare):
    raw, card = write_twin("autopet")
    for case in prepare(raw, card, 6.0):
        assert case.read(["suv"])[0][case.label() == 0].max() > 6


def test_two_studies_of_a_patient_are_two_cases(write_twin, prepare):
    raw, card = write_twin("autopet")
    study = studies(raw)[0]
    shutil.copytree(study, study.with_name("01-01-2005-NA-follow up-1"))
    cases = prepare(raw, card)
    assert len({case.case_id for case in cases}) == 7
    assert sum(case.patient_id == study.parent.name for case in cases) >= 2


def test_missing_label_names_volume_and_label(write_twin, prepare):
    raw, card = write_twin("autopet")
    study = studies(raw)[0]
    (study / "SEG.nii.gz").unlink()
    with pytest.raises(DataError, match=r"SUV\.nii\.gz: its label SEG\.nii\.gz is missing"):
        prepare(raw, card)


def test_missing_ct_is_named(write_twin, prepare):
    raw, card = write_twin("autopet")
    (studies(raw)[0] / "CTres.nii.gz").unlink()
    with pytest.raises(DataError, match=r"CTres\.nii\.gz: no such file"):
        prepare(raw, card)


def test_study_outside_of_a_patient(write_twin, prepare):
    raw, card = write_twin("autopet")
    study = studies(raw)[0]
    shutil.move(study, raw / "loose")
    with pytest.raises(DataError, match=r"lies in 'autopet', expected PETCT_<hash>/<study>;"):
        prepare(raw, card)


def test_vocos_folds_are_every_fifth_of_the_sorted_patients(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "prepare_cases", lambda *arguments: None)
    patients = [f"PETCT_{number:02d}" for number in range(12)]
    for patient in patients:
        for name in (dataset.SUV, dataset.CT, dataset.SEG):
            file = tmp_path / "raw" / dataset.ROOT / patient / "study" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    dataset.prepare(tmp_path / "raw", tmp_path, registry.dataset_card("autopet"), "native")
    listed = all_listed("autopet", tmp_path)
    for fold in range(5):
        assert list(listed["voco_5fold", fold]) == [f"{patient}_study" for patient in patients[fold::5]]
        assert set(listed["voco_5fold", fold].values()) == {"test"}
