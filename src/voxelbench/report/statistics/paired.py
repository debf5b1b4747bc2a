"""Two systems on the same patients: the difference of their means, its interval, and a test patient by patient."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from voxelbench.report.statistics.intervals import Interval, mean_interval
from voxelbench.report.statistics.signed_rank import SignedRank, signed_rank

PATIENT = "patient_id"
"""The level of the index that names patients; the other levels name a case."""


class Difference(NamedTuple):
    """What one system has more than another, in the unit of the scores."""

    interval: Interval
    test: SignedRank
    deviation: float
    """Standard deviation over patients; NaN below two."""

    n_patients: int


def paired_differences(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Return the differences of the cases (index) and seeds (columns) that both have, and no others."""
    ours, theirs = ours.align(theirs, join="inner")
    return ours - theirs


def patient_means(scores: pd.DataFrame) -> np.ndarray:
    """Return the mean over cases and seeds of each patient (n,)."""
    return scores.mean(axis=1).groupby(level=PATIENT).mean().to_numpy()


def difference(ours: pd.DataFrame, theirs: pd.DataFrame) -> Difference:
    """Compare two systems on what both have; without anything in common, every number is NaN."""
    differences = paired_differences(ours, theirs)
    if differences.empty:
        return Difference(Interval(float("nan")), signed_rank(np.empty(0)), float("nan"), 0)
    by_patient = patient_means(differences)
    interval = mean_interval(differences.to_numpy(), differences.index.get_level_values(PATIENT).to_numpy())
    deviation = float(by_patient.std(ddof=1)) if len(by_patient) > 1 else float("nan")
    return Difference(interval, signed_rank(by_patient), deviation, len(by_patient))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return Holm's adjusted p-values (n,) of one family; NaN stays, and is no member.

    As statsmodels' `multipletests`, which collects the garbage of the whole process each time, a tenth of a second.
    """
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]
    adjusted[order] = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1)).clip(max=1)
    return adjusted
