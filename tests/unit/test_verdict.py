"""What an interval says of a published value: every branch of the rule, and its borders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelbench.leaderboard.verdict import Bounds, judge

CLAIM, SCRATCH = 84.0, 82.0


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (83.0, 85.0, "reproduced"),
        (84.0, 84.0, "reproduced"),  # an interval of one point
        (84.0, 86.0, "reproduced"),  # the claim is its lower bound
        (82.01, 84.0, "reproduced"),  # the claim is its upper bound, scratch just outside
        (84.0, 88.0, "reproduced"),  # half of it is the gain
        (84.0, 88.02, "within interval"),  # half of it is more than the gain
        (82.0, 84.0, "not separable"),  # both are bounds
        (70.0, 95.0, "not separable"),
        (84.01, 86.0, "not reproduced"),  # the claim lies just below
        (80.0, 83.99, "not reproduced"),  # just above
        (81.0, 83.0, "not reproduced"),  # scratch is inside, the claim is not
        (90.0, 91.0, "not reproduced"),  # better than claimed is not as claimed
    ],
)
def test_the_verdict_on_a_claim_over_scratch(low, high, expected):
    verdict = judge(CLAIM, SCRATCH, Bounds(low, high))
    assert verdict.name == expected and verdict.reason


def test_without_a_value_to_compare_with_nothing_is_reproduced():
    assert judge(84.0, None, Bounds(83.99, 84.01)).name == "within interval"
    assert judge(84.0, None, Bounds(84.1, 85.0)).name == "not reproduced"


def test_no_gain_cannot_be_told_from_no_gain():
    assert judge(84.0, 84.0, Bounds(83.0, 85.0)).name == "not separable"


def test_numbers_are_compared_as_they_are_printed():
    assert judge(84.14, 83.43, Bounds(84.1449, 84.9)).name == "reproduced"
    assert judge(84.14, 83.43, Bounds(84.1451, 84.9)).name == "not reproduced"


CENTS = st.integers(0, 10000).map(lambda cents: cents / 100)


@given(CENTS, CENTS, CENTS, CENTS)
def test_a_claim_is_held_or_not_and_turning_the_scale_round_changes_nothing(claim, scratch, one, other):
    bounds = Bounds(min(one, other), max(one, other))
    verdict = judge(claim, scratch, bounds).name
    assert (verdict == "not reproduced") == (not bounds.low <= claim <= bounds.high)
    if verdict == "reproduced":
        assert not bounds.low <= scratch <= bounds.high
        assert bounds.high - bounds.low <= 2 * abs(claim - scratch) + 0.011
    assert judge(-claim, -scratch, Bounds(-bounds.high, -bounds.low)).name == verdict


@given(CENTS, CENTS, CENTS, CENTS, st.integers(0, 2000))
def test_a_wider_interval_never_makes_a_reproduced_claim_refuted(claim, scratch, one, other, more):
    bounds = Bounds(min(one, other), max(one, other))
    if judge(claim, scratch, bounds).name != "not reproduced":
        wider = Bounds(bounds.low - more / 100, bounds.high + more / 100)
        assert judge(claim, scratch, wider).name != "not reproduced"
