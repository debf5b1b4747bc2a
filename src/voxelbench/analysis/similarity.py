"""Cosines between an anchor and other tokens, and how well they tell the tokens that hold the anchor's organ."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from voxelbench.evaluate.tokens import PlacedTokens


def anchor_of(tokens: PlacedTokens, organ: int) -> int | None:
    """Return the token of which an organ covers most, the first of several; None if no token has a voxel of it."""
    anchor = int(tokens.shares[:, organ].argmax())
    return anchor if tokens.shares[anchor, organ] > 0 else None


def cosines(features: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Return the cosine (N,) of each of N features (N, C) to an anchor (C,); 0 where one of the two has no length."""
    return unit(features) @ unit(anchor[None])[0]


def unit(features: np.ndarray) -> np.ndarray:
    """Return features (N, C) of length 1, float64."""
    exact = features.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True).clip(min=1e-12)


class Telling(NamedTuple):
    """How well similarities tell the tokens that hold the anchor's organ; NaN where all do, or none.

    `auc` is the area under the ROC curve, chance 0.5. `precision` is the share of the organ among the most similar
    tokens, as many as hold it; its chance is the organ's share among all tokens, `chance`. `sharpness` is how far the
    best match stands out: (maximum - mean) / standard deviation, the ratio in S2DC's patch-to-structure loss (eq. 4).
    """

    n_tokens: int
    n_holding: int
    auc: float
    precision: float
    chance: float
    sharpness: float


def tell(similarity: np.ndarray, holds: np.ndarray) -> Telling:
    """Judge the similarities (N,) of tokens that hold an organ or not, bool (N,), the anchor itself left out."""
    n_tokens, n_holding = len(holds), int(holds.sum())
    deviation = similarity.std(ddof=1)
    sharpness = float((similarity.max() - similarity.mean()) / deviation) if deviation > 0 else float("nan")
    if not 0 < n_holding < n_tokens:
        return Telling(n_tokens, n_holding, float("nan"), float("nan"), n_holding / n_tokens, sharpness)
    most_similar = np.argsort(-similarity, kind="stable")[:n_holding]
    return Telling(
        n_tokens,
        n_holding,
        float(roc_auc_score(holds, similarity)),
        float(holds[most_similar].mean()),
        n_holding / n_tokens,
        sharpness,
    )
