"""Intervals of a mean: BCa bootstrap over patients and seeds, with a fixed seed; Student's t over seeds alone."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap
from scipy.stats import t as student_t

from voxelbench.report.statistics import ALPHA

N_RESAMPLES = 2000
_SEED = 20250702
_BATCH = 250
"""Resamples that are drawn at once: it bounds the memory and changes no value."""


class Interval(NamedTuple):
    """A mean and the bounds of its 95 % interval; NaN where there are none."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


def mean_interval(values: np.ndarray, patients: np.ndarray) -> Interval:
    """Return the mean over cases, and its BCa interval over patients and, where there are several, seeds.

    Patients and seeds are resampled crossed: a resample draws patients, draws seeds, and takes all cases of those
    patients under those seeds. Equal values give a point. With fewer than two patients the bounds are NaN.

    Args:
        values: (cases,) or (cases, seeds), without NaN.
        patients: (cases,), whose case it is; the cases of a patient are drawn together.
    """
    values = values.reshape(len(values), -1)
    mean = float(values.mean())
    _, patient = np.unique(patients, return_inverse=True)
    counts = np.bincount(patient)
    if len(counts) < 2:
        return Interval(mean)
    sums = np.stack([np.bincount(patient, column) for column in values.T], axis=1)

    def resampled_mean(drawn: np.ndarray, seeds: np.ndarray | None = None, axis: int = -1) -> np.ndarray:
        by_seed = sums[drawn].sum(-2) / counts[drawn].sum(axis, keepdims=True)
        return np.asarray(by_seed if seeds is None else np.take_along_axis(by_seed, seeds, axis)).mean(axis)

    samples = [np.arange(size) for size in sums.shape if size > 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        found = bootstrap(
            samples,
            resampled_mean,
            vectorized=True,
            method="BCa",
            confidence_level=1 - ALPHA,
            n_resamples=N_RESAMPLES,
            batch=_BATCH,
            random_state=np.random.RandomState(_SEED),
        ).confidence_interval
    # Where every resample has the same mean, the acceleration is 0 / 0.
    is_constant = np.isnan(found.low)
    return Interval(mean, mean, mean) if is_constant else Interval(mean, float(found.low), float(found.high))


def seed_interval(values: np.ndarray) -> Interval:
    """Return the mean over seeds (n,) and the bounds of its 95 % interval, mean +- t(n - 1) s / sqrt(n).

    A bootstrap of three values would be too narrow. With one seed the bounds are NaN.
    """
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean)
    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    half_width = float(student_t.ppf(1 - ALPHA / 2, len(values) - 1)) * error
    return Interval(mean, mean - half_width, mean + half_width)
