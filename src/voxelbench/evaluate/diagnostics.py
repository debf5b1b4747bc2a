"""Has an encoder collapsed? How many directions its features use, and how evenly they cover the sphere."""

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import entropy

_MOST_PAIRED = 2000
"""Pairs are taken among at most so many features, evenly spaced: their number grows with the square."""


def spread(features: np.ndarray) -> dict[str, float]:
    """Return the diagnostics of features (N, C)."""
    return {"effective_rank": effective_rank(features), "uniformity": uniformity(features)}


def effective_rank(features: np.ndarray) -> float:
    """Return exp(H(p)), p the singular values of the centred features (N, C) over their sum: 1 to min(N - 1, C).

    Roy and Vetterli 2007; as RankMe (Garrido et al. 2023, eq. 1), which does not centre. Features that are all equal
    have rank 0.
    """
    singular = np.linalg.svd(features - features.mean(0), compute_uv=False)
    return float(np.exp(entropy(singular))) if singular.sum() > 1e-6 * np.abs(features).max(initial=1e-30) else 0.0


def uniformity(features: np.ndarray) -> float:
    """Return log of the mean of exp(-2 |x - y|^2) over pairs of features (N, C) of length 1; 0 if all are equal.

    Wang and Isola 2020, eq. 6, t = 2. The lower, the more evenly the features lie on the sphere.
    """
    every = -(-len(features) // _MOST_PAIRED)
    chosen = features[::every]
    unit = chosen / np.linalg.norm(chosen, axis=1, keepdims=True).clip(min=1e-12)
    return float(np.log(np.exp(-2 * pdist(unit, "sqeuclidean")).mean()))
