"""What a test set can show at all."""

import numpy as np
from statsmodels.stats.power import TTestPower

from voxelbench.report.statistics import ALPHA
from voxelbench.report.statistics.signed_rank import smallest_p

POWER = 0.8
SMALL = 50
"""Patients below which a test set is called small."""


def first_level(n_comparisons: int) -> float:
    """Return the p that the first of Holm's steps demands of a family."""
    return ALPHA / max(n_comparisons, 1)


def is_hopeless(n_patients: int, n_comparisons: int) -> bool:
    """Whether no result whatsoever could be separated: even if all patients agree, p is too large."""
    return smallest_p(n_patients) > first_level(n_comparisons)


def detectable(deviation: float, n_patients: int, n_comparisons: int) -> float:
    """Return the smallest true mean difference that is shown with a power of 0.8 at Holm's first step.

    It is that of the paired t-test with the observed standard deviation of the differences, about the best case for
    Wilcoxon's. NaN where the differences do not vary, or where no result could be separated.
    """
    if is_hopeless(n_patients, n_comparisons) or not deviation > 0:
        return float("nan")
    effect = TTestPower().solve_power(nobs=n_patients, alpha=first_level(n_comparisons), power=POWER)
    return float(np.squeeze(effect)) * deviation
