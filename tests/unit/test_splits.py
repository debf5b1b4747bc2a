"""Splits divide patients, never cases of one patient, and stay as they are when cases are added."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelbench.cards import SplitRule, Twin
from voxelbench.data import splits
from voxelbench.errors import ConfigError, DataError


@pytest.fixture
def list_cases(monkeypatch):
    """Return a function that stands in for a dataset's splits.csv."""

    def listed(parts):
        monkeypatch.setattr(splits, "listed_parts", lambda dataset: parts)

    listed({})
    return listed


@pytest.fixture
def make_cases(make_case):
    def make(*ids):
        template = make_case(np.zeros((1, 2, 3, 4), np.float32))
        return [replace(template, case_id=case, patient_id=patient) for case, patient in ids]

    return make


PATIENTS = [(f"case{i}", f"patient{i // 2}") for i in range(80)]


def rule(name, **changes):
    return {"main": {"rule": name, "source": "test", **changes}}


def test_hash_folds_partition_the_patients(make_card, make_cases, list_cases):
    card, cases = make_card(splits=rule("hash", n_folds=4, validation=0.25)), make_cases(*PATIENTS)
    tested = [case.case_id for fold in range(4) for case in splits.select(cases, card, "main", fold, "test")]
    assert sorted(tested) == sorted(case.case_id for case in cases)
    for fold in range(4):
        parts = [{case.patient_id for case in splits.select(cases, card, "main", fold, part)} for part in splits._PARTS]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 40
        assert all(len(part) >= 4 for part in parts)


@given(st.text(min_size=1), st.integers(0, 3))
def test_the_part_of_a_patient_depends_on_nothing_else(patient, fold):
    hashed = SplitRule(rule="hash", n_folds=4, validation=0.25, source="test")
    card = SimpleNamespace(name="toy", splits={"main": hashed})
    parts = {splits.part_of(card, "main", fold, case, patient, {}) for case in ("a", "b")}
    assert len(parts) == 1


def test_listed_cases_keep_their_part_and_the_others_belong_to_none(make_card, make_cases, list_cases):
    list_cases({("main", 0): {"case0": "train", "case2": "val", "case4": "test"}})
    card, cases = make_card(splits=rule("listed")), make_cases(*PATIENTS[::2])
    chosen = {part: [case.case_id for case in splits.select(cases, card, "main", 0, part)] for part in splits._PARTS}
    assert chosen == {"train": ["case0"], "val": ["case2"], "test": ["case4"]}


def test_the_rest_trains_and_a_listed_validation_part_is_the_only_one(make_card, make_cases, list_cases):
    list_cases({("main", 0): {"case0": "test", "case2": "val"}})
    card, cases = make_card(splits=rule("rest-is-train", validation=0.5)), make_cases(*PATIENTS[::2])
    assert [case.case_id for case in splits.select(cases, card, "main", 0, "val")] == ["case2"]
    assert len(splits.select(cases, card, "main", 0, "train")) == 38


def test_a_patient_in_two_parts_is_refused(make_card, make_cases, list_cases):
    list_cases({("main", 0): {"a": "train", "b": "test"}})
    cases = make_cases(("a", "smith"), ("b", "smith"))
    with pytest.raises(DataError) as caught:
        splits.select(cases, make_card(splits=rule("listed")), "main", 0, "train")
    assert str(caught.value) == (
        "toy: patient smith is in both train and test of split main; "
        "move all cases of a patient to one part in splits.csv."
    )


def test_an_empty_part_is_refused(make_card, make_cases, list_cases):
    list_cases({("main", 0): {"a": "train"}})
    with pytest.raises(DataError) as caught:
        splits.select(make_cases(("a", "smith")), make_card(splits=rule("listed")), "main", 0, "test")
    assert str(caught.value) == (
        "toy: split main, fold 0 has no test case among 1 prepared; prepare more cases, or name another fold or split."
    )


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["main,0,train,a", "main,0,tets,b"], "line 3 has part 'tets', expected train, val or test."),
        (["main,0,train,a", "main,0,test,a"], "line 3 lists case a twice in split main."),
    ],
)
def test_a_wrong_line_of_splits_csv_is_named(tmp_path, rows, sentence):
    path = tmp_path / "splits.csv"
    path.write_text("\n".join(["split,fold,part,case_id", *rows]) + "\n")
    with pytest.raises(ConfigError) as caught:
        splits.read_splits(path)
    assert str(caught.value) == f"{path}: {sentence}"


def test_a_twin_draws_ids_until_every_part_has_its_quota(make_card, list_cases):
    twin = Twin(train=5, val=2, test=3, version=1)
    card = make_card(splits=rule("hash", n_folds=4, validation=0.25), twin=twin)
    drawn = splits.draw_ids(card, PATIENTS[::2])
    parts = [splits.part_of(card, "main", 0, case, patient, {}) for case, patient in drawn]
    assert {part: parts.count(part) for part in splits._PARTS} == {"train": 5, "val": 2, "test": 3}
    assert splits.draw_ids(card, PATIENTS[::2]) == drawn
    with pytest.raises(ConfigError, match=r"toy: the candidate ids of the twin ran out with .* still wanted\."):
        splits.draw_ids(card, PATIENTS[:2])


def test_classes_are_dealt_evenly_within_each_part(make_card, list_cases):
    card = make_card(splits=rule("hash", n_folds=4, validation=0.25), twin=Twin(train=6, val=3, test=6, version=1))
    drawn = splits.draw_ids(card, PATIENTS[::2])
    classes = splits.deal_classes(card, drawn, 3)
    parts = [splits.part_of(card, "main", 0, case, patient, {}) for case, patient in drawn]
    for part, each in (("train", 2), ("val", 1), ("test", 2)):
        dealt = [number for number, its_part in zip(classes, parts, strict=True) if its_part == part]
        assert sorted(dealt) == sorted([0, 1, 2] * each)
