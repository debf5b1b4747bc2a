"""The descriptor of a scan: its fine structure on a coarse common grid, and the places where that stands out.

What a copy may have lost is taken away from every scan first: its own grid and field of view (4 mm, translation left
free), its units and window (a band of scales, divided by its local strength).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import ndimage

GRID_MM = 4.0
"""Coarser than most scans, so that a copy of 3 mm or with thick slices still has this detail."""

NO_SPACING_FIELD_MM, NO_SPACING_SLICE_MM = 350.0, 5.0
"""Assumed of a scan that came without spacing: a field of view across the body, and the distance of its slices."""

N_POINTS = 160
_FINE, _COARSE, _LOCAL = 1.0, 2.0, 3.0
"""Gaussian widths in voxels of the grid: the band of scales, and the neighbourhood whose strength divides it."""

_FLOOR = 0.3
"""Added to the local strength, relative to that of the whole scan: noise in the air stays faint."""

_PATCH = np.array([step for step in product((-4, -2, 0, 2, 4), repeat=3) if np.linalg.norm(step) <= 6])
_REACH = 4


@dataclass(frozen=True)
class Descriptor:
    """Detail (X, Y, Z) on the common grid, and its points (n, 3), in voxels, with a unit vector (n, d) each."""

    detail: np.ndarray
    points: np.ndarray
    vectors: np.ndarray


def describe(volume: np.ndarray, spacing_mm: tuple[float, float, float] | None) -> Descriptor:
    """Return the descriptor of a volume (X, Y, Z) in RAS."""
    if spacing_mm is None:
        x, y, _ = volume.shape
        spacing_mm = (NO_SPACING_FIELD_MM / x, NO_SPACING_FIELD_MM / y, NO_SPACING_SLICE_MM)
    detail = _detail(_to_common_grid(volume, spacing_mm))
    points = _points(detail)
    return Descriptor(detail.astype(np.float16), points, _vectors(detail, points).astype(np.float16))


def _to_common_grid(volume: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Average whole voxels as far as they fit into one of the common grid, then interpolate."""
    factors = [max(1, min(int(GRID_MM / step), length)) for step, length in zip(spacing_mm, volume.shape, strict=True)]
    for axis, factor in enumerate(factors):
        volume = _averaged(volume, axis, factor)
    steps = [GRID_MM / (step * factor) for step, factor in zip(spacing_mm, factors, strict=True)]
    shape = tuple(int((length - 1) / step) + 1 for length, step in zip(volume.shape, steps, strict=True))
    return ndimage.affine_transform(volume.astype(np.float32), steps, output_shape=shape, order=1)


def _averaged(volume: np.ndarray, axis: int, factor: int) -> np.ndarray:
    if factor == 1:
        return volume
    first = np.moveaxis(volume, axis, 0)
    whole = first[: len(first) // factor * factor].reshape(-1, factor, *first.shape[1:])
    return np.moveaxis(whole.mean(1, dtype=np.float32), 0, axis)


def _detail(volume: np.ndarray) -> np.ndarray:
    band = ndimage.gaussian_filter(volume, _FINE) - ndimage.gaussian_filter(volume, _COARSE)
    strength = np.sqrt(ndimage.gaussian_filter(band**2, _LOCAL))
    return band / (strength + _FLOOR * float(band.std()) + np.finfo(np.float32).tiny)


def _points(detail: np.ndarray) -> np.ndarray:
    """Return the strongest local extremes, (n, 3)."""
    is_extreme = (detail == ndimage.maximum_filter(detail, 3)) | (detail == ndimage.minimum_filter(detail, 3))
    strength = np.where(is_extreme, np.abs(detail), 0.0).ravel()
    strongest = np.argsort(-strength, kind="stable")[:N_POINTS]
    found = np.unravel_index(strongest[strength[strongest] > 0], detail.shape)
    return np.stack(found, axis=1).astype(np.int16)


def _vectors(detail: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return what lies about each point: every other voxel of a ball, less its mean, scaled to unit length."""
    padded = np.pad(detail, _REACH)
    x, y, z = np.moveaxis(points[:, None].astype(int) + _PATCH + _REACH, -1, 0)
    vectors = padded[x, y, z]
    vectors = vectors - vectors.mean(1, keepdims=True)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
