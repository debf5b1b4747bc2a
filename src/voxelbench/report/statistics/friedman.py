"""Systems across datasets: Friedman's test, Nemenyi's critical difference, and who lies within it."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scikit_posthocs import compact_letter_display, posthoc_nemenyi_friedman
from scipy.stats import friedmanchisquare, studentized_range

from voxelbench.report.statistics import ALPHA


class Ranking(NamedTuple):
    """Mean ranks over datasets, 1 the best, by system; and what the tests say of them."""

    mean_ranks: pd.Series
    p: float
    critical_difference: float
    letters: pd.Series
    """Systems that share a letter are not separated."""


def ranking(values: pd.DataFrame) -> Ranking:
    """Rank systems (columns) on datasets (rows), higher values first, equal values with their mean rank.

    Nemenyi's test is asked only where Friedman's rejects; otherwise all systems share a letter. There have to be three
    systems and two datasets at least, and no NaN.
    """
    mean_ranks = values.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    n_datasets, n_systems = values.shape
    p = friedman_p(values)
    letters = pd.Series("a", index=mean_ranks.index)
    if p <= ALPHA:
        pairs = posthoc_nemenyi_friedman(values[mean_ranks.index].to_numpy())
        letters[:] = compact_letter_display(pairs, ALPHA).str.replace(" ", "").to_numpy()
    return Ranking(mean_ranks, p, critical_difference(n_systems, n_datasets), letters)


def friedman_p(values: pd.DataFrame) -> float:
    """Return the p of Friedman's test (chi-squared); 1 where no dataset orders the systems."""
    if (values.nunique(axis=1) == 1).all():
        return 1.0
    return float(friedmanchisquare(*values.to_numpy().T).pvalue)


def critical_difference(n_systems: int, n_datasets: int) -> float:
    """Return the smallest difference of mean ranks that Nemenyi's test separates, q sqrt(k (k + 1) / (6 n))."""
    q = float(studentized_range.ppf(1 - ALPHA, n_systems, np.inf)) / np.sqrt(2)
    return q * float(np.sqrt(n_systems * (n_systems + 1) / (6 * n_datasets)))
