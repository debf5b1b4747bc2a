"""Wilcoxon's signed-rank test of paired differences, exact with ties and zeros."""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, wilcoxon

_EXACT_UP_TO = 200
"""Differences other than 0 up to which the exact law is computed; beyond, the normal approximation serves."""

_DECIMALS = 9
"""To which differences are rounded: those that differ by less are ties, not an order that rounding errors made."""


class SignedRank(NamedTuple):
    """A two-sided p, and which way the ranks point: 1 for positive differences, -1, or 0."""

    p: float
    direction: int


def signed_rank(differences: np.ndarray) -> SignedRank:
    """Test whether differences (n,), one a patient, are symmetric about 0. Without patients p is NaN.

    Zeros are ranked and then left out (Pratt 1959), and tied ranks are averaged. Where the ranks point neither way, as
    when all differences are 0, p is 1.
    """
    differences = np.round(differences, _DECIMALS)
    if not len(differences):
        return SignedRank(float("nan"), 0)
    ranks = rankdata(np.abs(differences))[differences != 0]
    is_positive = differences[differences != 0] > 0
    direction = int(np.sign(2 * ranks[is_positive].sum() - ranks.sum()))
    if not direction:
        return SignedRank(1.0, 0)
    if len(ranks) <= _EXACT_UP_TO:
        return SignedRank(_exact_p(ranks, is_positive), direction)
    return SignedRank(float(wilcoxon(differences, zero_method="pratt", method="asymptotic").pvalue), direction)


def smallest_p(n_patients: int) -> float:
    """Return the smallest two-sided p that so many patients allow: all differences have one sign."""
    return min(1.0, 2.0 ** (1 - n_patients))


def _exact_p(ranks: np.ndarray, is_positive: np.ndarray) -> float:
    """Return the share of the 2^n equally likely signs whose sum of positive ranks is at least as far from its mean.

    SciPy's exact law knows neither ties nor zeros, and differences of accuracies are little else. This one adds one
    rank after the other (the shift algorithm of Streitberg and Röhmel 1986); doubled, averaged ranks are whole.
    """
    whole = np.round(2 * ranks).astype(int)
    whole //= np.gcd.reduce(whole)  # equal ranks, as of right and wrong answers, become ones
    ways = np.zeros(whole.sum() + 1)  # in how many of the 2^n the positive ranks have this sum
    ways[0], end = 1, 1
    for rank in whole:
        end += rank
        ways[rank:end] += ways[: end - rank].copy()
    distance = np.abs(2 * np.arange(len(ways)) - whole.sum())
    observed = abs(2 * int(whole[is_positive].sum()) - int(whole.sum()))
    return float(ways[distance >= observed].sum() / ways.sum())
