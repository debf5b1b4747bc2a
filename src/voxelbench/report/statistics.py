"""Intervals: percentile bootstrap over patients, with a fixed seed; Student's t over seeds."""

import numpy as np
from scipy.stats import t as student_t

N_RESAMPLES = 2000
CONFIDENCE = 0.95
_SEED = 20250702


def mean_interval(values: np.ndarray, patients: np.ndarray) -> tuple[float, float, float]:
    """Return the mean over cases and the bounds of its 95 % interval; all cases of a patient are resampled together.

    With fewer than two patients there is nothing to resample, and the bounds are NaN.
    """
    mean = float(values.mean())
    _, index = np.unique(patients, return_inverse=True)
    n_patients = int(index.max()) + 1
    if n_patients < 2:
        return mean, float("nan"), float("nan")
    sums, counts = np.bincount(index, values), np.bincount(index)
    drawn = np.random.RandomState(_SEED).randint(0, n_patients, (N_RESAMPLES, n_patients))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return mean, float(low), float(high)


def seed_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean over seeds (n,) and the bounds of its 95 % interval, mean +- t(n - 1) s / sqrt(n).

    A bootstrap of three values would be too narrow. With one seed the bounds are NaN.
    """
    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    half_width = float(student_t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return mean, mean - half_width, mean + half_width
