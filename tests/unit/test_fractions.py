"""Label fractions: whole patients, nested, of each class apart, and the same whatever else is in the set."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxelbench.data.case import Case
from voxelbench.data.fractions import label_fraction
from voxelbench.errors import ConfigError


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("case") / "none.h5"
    return Case("", "", "CT", ("ct",), ("HU",), None, np.eye(4), (1, 1, 1), path)


def make(template, patients):
    """Return the cases of (patient, class, number of cases) triples."""
    return [
        replace(template, case_id=f"{patient}-{number}", patient_id=patient, target=target)
        for patient, target, n_cases in patients
        for number in range(n_cases)
    ]


PATIENTS = [(f"p{number}", number % 3, 1 + number % 2) for number in range(60)]


@pytest.mark.parametrize(("fraction", "expected"), [(0.1, 2), (0.5, 10), (1.0, 20), (0.001, 1)])
def test_a_share_of_the_patients_of_each_class(template, fraction, expected):
    kept = label_fraction(make(template, PATIENTS), fraction)
    patients = {case.patient_id: case.target for case in kept}
    assert Counter(patients.values()) == {0: expected, 1: expected, 2: expected}
    whole = {patient: n_cases for patient, _, n_cases in PATIENTS}
    assert Counter(case.patient_id for case in kept) == {patient: whole[patient] for patient in patients}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    patients=st.dictionaries(st.text(min_size=1), st.sampled_from([None, 0, 1]), min_size=1, max_size=30),
    fractions=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)).map(sorted),
    seed=st.integers(0, 3),
)
def test_a_smaller_share_lies_inside_of_a_larger_one(template, patients, fractions, seed):
    cases = make(template, [(patient, target, 2) for patient, target in patients.items()])
    small, large = ([case.case_id for case in label_fraction(cases, fraction, seed)] for fraction in fractions)
    assert set(small) <= set(large)
    assert large == [case.case_id for case in cases if case.case_id in large]
    assert label_fraction(cases, 1.0, seed) == cases


def test_without_classes_all_patients_are_one_group(template):
    cases = make(template, [(f"p{number}", None, 1) for number in range(40)])
    assert len(label_fraction(cases, 0.25)) == 10


def test_another_seed_draws_others_and_the_order_of_cases_does_not_matter(template):
    cases = make(template, PATIENTS)
    kept = [{case.case_id for case in label_fraction(cases, 0.2, seed)} for seed in (0, 1)]
    assert kept[0] != kept[1]
    assert {case.case_id for case in label_fraction(cases[::-1], 0.2)} == kept[0]


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, 10])
def test_a_fraction_is_above_0_and_at_most_1(template, fraction):
    with pytest.raises(ConfigError, match=f"label fraction {fraction:g}: expected more than 0 and at most 1"):
        label_fraction(make(template, PATIENTS), fraction)
