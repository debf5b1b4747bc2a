"""No split of any dataset divides a patient, over the cases of its twin and what lies with them."""

import pytest

from voxelbench import registry
from voxelbench.data.splits import all_listed, part_of

TWINS = [name for name in registry.names("datasets") if registry.dataset_card(name).twin is not None]


@pytest.fixture
def read_twin(tmp_path, drawn_twin, monkeypatch):
    """Return a function that returns (case, patient) of a twin, and the listed parts, without preparing a voxel."""

    def read(name):
        raw, card = drawn_twin(name)
        cases = []
        dataset = registry.load_dataset(name)
        monkeypatch.setattr(dataset, "prepare_cases", lambda found, *_: cases.extend(found))
        dataset.prepare(raw, tmp_path, card, "native")
        return card, [(case.case_id, case.patient_id) for case in cases], all_listed(name, tmp_path)

    return read


@pytest.mark.parametrize("name", TWINS)
def test_every_split_keeps_patients_whole(read_twin, name):
    card, cases, listed = read_twin(name)
    for split, rule in card.splits.items():
        for fold in range(rule.n_folds):
            parts: dict[str, set] = {}
            for case_id, patient_id in cases:
                parts.setdefault(patient_id, set()).add(part_of(card, split, fold, case_id, patient_id, listed))
            assert [patient for patient, found in parts.items() if len(found) > 1] == []


@pytest.mark.parametrize("name", TWINS)
def test_every_case_is_tested_at_most_once_by_folds_that_are_a_partition(read_twin, name):
    card, cases, listed = read_twin(name)
    for split, rule in card.splits.items():
        tested = [
            case_id
            for fold in range(rule.n_folds)
            for case_id, patient_id in cases
            if part_of(card, split, fold, case_id, patient_id, listed) == "test"
        ]
        assert len(tested) == len(set(tested))
        if rule.rule == "hash" or split in ("voco_5fold", "swin_unetr_5fold"):
            assert sorted(tested) == sorted(case_id for case_id, _ in cases)
