"""Tie groups instead of ranks: whoever cannot be separated from the best of a group is in it."""

import numpy as np
import pandas as pd

from voxelbench.report.statistics import ALPHA
from voxelbench.report.statistics.paired import holm, paired_differences, patient_means
from voxelbench.report.statistics.signed_rank import SignedRank, signed_rank


def best(scores: list[pd.DataFrame]) -> int:
    """Return the place of the system with the highest mean; of equal means the first."""
    return max(range(len(scores)), key=lambda index: float(scores[index].to_numpy().mean()))


def tie_groups(scores: list[pd.DataFrame]) -> list[int]:
    """Return the group of each system, from 1; `scores` are its cases (index) under its seeds (columns).

    The best mean leads group 1, which holds all systems that Wilcoxon's test, after Holm's correction, does not show to
    be worse. The best of the rest leads group 2, and so on. Of equal means the earlier system leads.
    """
    groups = [0] * len(scores)
    left = sorted(range(len(scores)), key=lambda index: -float(scores[index].to_numpy().mean()))
    group = 0
    while left:
        group += 1
        lead, *others = left
        is_worse = separated([_test(scores[lead], scores[other]) for other in others])
        for index in (lead, *(other for other, worse in zip(others, is_worse, strict=True) if not worse)):
            groups[index] = group
        left = [other for other, worse in zip(others, is_worse, strict=True) if worse]
    return groups


def separated(tests: list[SignedRank]) -> list[bool]:
    """Return for each test of a leader against another system whether it shows the leader to be better.

    A test whose ranks favour the other one, against the means, does not.
    """
    adjusted = holm(np.array([test.p for test in tests]))
    return [bool(p <= ALPHA) and test.direction > 0 for p, test in zip(adjusted, tests, strict=True)]


def _test(ours: pd.DataFrame, theirs: pd.DataFrame) -> SignedRank:
    shared = paired_differences(ours, theirs)
    return signed_rank(patient_means(shared) if not shared.empty else np.empty(0))
