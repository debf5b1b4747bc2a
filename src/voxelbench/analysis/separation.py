"""How far apart the features of organs lie, in the space of the features themselves."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from voxelbench.errors import DataError


class Separation(NamedTuple):
    """How far apart organs lie, by cosine; `chance` is the purity of neighbours drawn at random."""

    n_points: int
    n_organs: int
    silhouette: float
    purity: float
    chance: float


def separation(features: np.ndarray, organs: np.ndarray, neighbours: int) -> Separation:
    """Measure features (N, C) and their organs (N,): the mean silhouette, and the purity of the nearest neighbours.

    Each point is left out in turn; its purity is the share of its own organ among its `neighbours` nearest others.

    Raises DataError if there are not more points than neighbours, or fewer than two organs.
    """
    _, counts = np.unique(organs, return_counts=True)
    if len(organs) <= neighbours or not 2 <= len(counts) < len(organs):
        raise DataError(
            f"{len(organs)} points of {len(counts)} organs cannot be told apart by {neighbours} neighbours; "
            "lower `neighbours` of the analysis, or name a scene with more test cases."
        )
    nearest = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(features)
    others = nearest.kneighbors(return_distance=False)  # of the fitted points: none is its own neighbour
    return Separation(
        len(organs),
        len(counts),
        float(silhouette_score(features, organs, metric="cosine")),
        float((organs[others] == organs[:, None]).mean()),
        float((counts * (counts - 1)).sum() / (len(organs) * (len(organs) - 1))),
    )
