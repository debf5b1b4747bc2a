"""Tie groups instead of ranks: whoever cannot be separated from the best of a group is in it."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from voxelbench.report.statistics import ALPHA
from voxelbench.report.statistics.paired import holm, paired_differences, patient_means
from voxelbench.report.statistics.signed_rank import SignedRank, signed_rank


class Pairs(NamedTuple):
    """All pairs of the systems of a column, as one family of tests."""

    p_holm: np.ndarray
    """(systems, systems), NaN where nothing was tested."""

    is_better: np.ndarray
    """(systems, systems), whether the tests show the first to be better than the second."""

    n_tests: int


def compare_pairs(scores: list[pd.DataFrame]) -> Pairs:
    """Test each system against each other one; `scores` are its cases (index) under its seeds (columns).

    The family is that of all pairs, since which system is the best is seen in the same scores: corrected for the
    comparisons with the best alone, equal systems differ in ten tables of a hundred instead of five.
    """
    pairs = list(combinations(range(len(scores)), 2))
    tests = [_test(scores[one], scores[other]) for one, other in pairs]
    adjusted = holm(np.array([test.p for test in tests]))
    p_holm = np.full((len(scores), len(scores)), np.nan)
    is_better = np.zeros(p_holm.shape, bool)
    for (one, other), test, p in zip(pairs, tests, adjusted, strict=True):
        p_holm[one, other] = p_holm[other, one] = p
        is_better[one, other], is_better[other, one] = [p <= ALPHA and test.direction == sign for sign in (1, -1)]
    return Pairs(p_holm, is_better, int(np.count_nonzero(~np.isnan(adjusted))))


def by_mean(scores: list[pd.DataFrame]) -> list[int]:
    """Return the places of systems from the best mean to the worst; of equal means the earlier first."""
    return sorted(range(len(scores)), key=lambda place: -float(scores[place].to_numpy().mean()))


def tie_groups(scores: list[pd.DataFrame], pairs: Pairs) -> list[int]:
    """Return the group of each system, from 1.

    The best mean leads group 1, which holds all systems that it is not shown to be better than. The best of the rest
    leads group 2, and so on.
    """
    groups = [0] * len(scores)
    left, group = by_mean(scores), 0
    while left:
        group += 1
        worse = [place for place in left if pairs.is_better[left[0], place]]
        for place in set(left) - set(worse):
            groups[place] = group
        left = worse
    return groups


def _test(ours: pd.DataFrame, theirs: pd.DataFrame) -> SignedRank:
    shared = paired_differences(ours, theirs)
    return signed_rank(patient_means(shared) if not shared.empty else np.empty(0))
