"""Near duplicates: two scans are one if many small blocks of them agree on the same translation.

Anatomy of two patients can correlate well, block by block; but each block then fits best somewhere else. In a copy all
fit best at the same place, however much noise, another window or another grid lowered the correlation itself.
"""

from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from voxelbench.contamination.descriptor import Descriptor

SAME = 0.25
"""Scans that agree on a translation in at least this share of their blocks are one scan."""

_MIN_COSINE, _MIN_VOTES, _VOTE_RADIUS = 0.6, 4, 2
_SIDE, _SEARCH = 6, 2
"""Blocks: voxels along a side, and how far around the voted translation each one looks."""

_MIN_BLOCKS, _MAX_BLOCKS = 12, 100
_MIN_CORRELATION = 0.6
_TOLERANCE = 0.75
"""How far apart, in voxels, the best places of two blocks may lie that agree."""


def likeness(one: Descriptor, other: Descriptor) -> float:
    """Return the share of blocks of two scans that agree on one translation; 0 if no points suggest any."""
    translation = vote(one, other)
    return 0.0 if translation is None else agreement(one, other, translation)


def vote(one: Descriptor, other: Descriptor) -> np.ndarray | None:
    """Return the translation (3,), in voxels, from `other` to `one` that most pairs of like points suggest, or None."""
    if not len(one.points) or not len(other.points):
        return None
    cosines = one.vectors.astype(np.float32) @ other.vectors.astype(np.float32).T
    best = cosines.argmax(1)
    rows = np.arange(len(best))
    mutual = rows[(cosines.argmax(0)[best] == rows) & (cosines[rows, best] > _MIN_COSINE)]
    if len(mutual) < _MIN_VOTES:
        return None
    shifts = one.points[mutual].astype(int) - other.points[best[mutual]]
    is_near = (np.abs(shifts[:, None] - shifts) <= _VOTE_RADIUS).all(-1)
    leader = is_near.sum(1).argmax()
    return np.median(shifts[is_near[leader]], axis=0) if is_near[leader].sum() >= _MIN_VOTES else None


def agreement(one: Descriptor, other: Descriptor, translation: np.ndarray) -> float:
    """Return the share of blocks that fit best where one of them does, near a translation; 0 with too few to tell.

    Only blocks that fit well somewhere count: a narrow window takes all detail from the others.
    """
    shift = np.round(translation).astype(int)
    corners = _corners(one.detail.shape, other.detail.shape, shift)
    if len(corners) < _MIN_BLOCKS:
        return 0.0
    correlations = _correlations(*_blocks(one.detail, other.detail, corners, shift))
    correlations = correlations[correlations.max((1, 2, 3)) >= _MIN_CORRELATION]
    if len(correlations) < _MIN_BLOCKS:
        return 0.0
    places = _best_places(correlations)
    n_alike = (np.linalg.norm(places[:, None] - places, axis=2) <= _TOLERANCE).sum(1)
    return float(n_alike.max() - 1) / (len(places) - 1)


def _corners(one: tuple[int, ...], other: tuple[int, ...], shift: np.ndarray) -> np.ndarray:
    """Return the corners (n, 3) of the blocks of `other` that lie in `one` when shifted."""
    low = np.maximum(0, -shift)
    high = np.minimum(other, one - shift) - _SIDE
    return np.array(list(product(*(range(a, b + 1, _SIDE) for a, b in zip(low, high, strict=True)))), int)


def _blocks(
    one: np.ndarray, other: np.ndarray, corners: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the blocks of `other` (n, s, s, s) with the most detail, and the wider windows of `one` about them."""
    x, y, z = corners.T
    blocks = sliding_window_view(other, (_SIDE,) * 3)[x, y, z].astype(np.float32)
    strongest = np.argsort(-blocks.std((1, 2, 3)), kind="stable")[:_MAX_BLOCKS]
    x, y, z = (corners[strongest] + shift).T
    windows = sliding_window_view(np.pad(one, _SEARCH), (_SIDE + 2 * _SEARCH,) * 3)[x, y, z].astype(np.float32)
    return blocks[strongest], windows


def _correlations(blocks: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Return the correlation of each block with its window at every place (n, p, p, p)."""
    blocks = blocks - blocks.mean((1, 2, 3), keepdims=True)
    places = sliding_window_view(windows, (_SIDE,) * 3, axis=(1, 2, 3))
    products = np.einsum("nabcijk,nijk->nabc", places, blocks)
    spread = _place_means(windows**2) - _place_means(windows) ** 2
    norms = np.sqrt(np.maximum(spread, 1e-6) * (blocks**2).mean((1, 2, 3))[:, None, None, None])
    return products / np.maximum(norms, 1e-6) / _SIDE**3


def _place_means(windows: np.ndarray) -> np.ndarray:
    """Return the mean of each place of a window (n, p, p, p)."""
    for axis in (1, 2, 3):
        windows = sliding_window_view(windows, _SIDE, axis=axis).mean(-1)
    return windows


def _best_places(correlations: np.ndarray) -> np.ndarray:
    """Return where each block fits best (n, 3), in voxels from where its search begins, to parts of one."""
    n, *shape = correlations.shape
    peaks = np.stack(np.unravel_index(correlations.reshape(n, -1).argmax(1), shape), axis=1)
    return peaks + np.stack([_parabola(correlations, peaks, axis) for axis in range(3)], axis=1)


def _parabola(correlations: np.ndarray, peaks: np.ndarray, axis: int) -> np.ndarray:
    """Return how far the top of the parabola through a peak and its two neighbours lies from the peak (n,)."""
    n, last = np.arange(len(peaks)), correlations.shape[1 + axis] - 1

    def at(step: int) -> np.ndarray:
        place = peaks.copy()
        place[:, axis] = np.clip(place[:, axis] + step, 0, last)
        return correlations[n, place[:, 0], place[:, 1], place[:, 2]]

    left, top, right = at(-1), at(0), at(1)
    bend = left - 2 * top + right
    return np.where(bend < 0, 0.5 * (left - right) / np.minimum(bend, -1e-6), 0.0).clip(-0.5, 0.5)
