"""The damage that GVSL restores, on one volume (1, D, H, W) in 0..1; numpy alone.

Draws come in the order of the released code (utils/Transform_self.py), so that a seed damages the same voxels. What its
ancestor Models Genesis (Zhou et al. 2019) does otherwise is in the README.
"""

import numpy as np
from pydantic import Field

from voxelbench.validation import Strict

SHORTEST = 20
"""Voxels along an axis: below, blocks to shuffle would be empty."""
_BLOCKS_PER_AXIS = 20  # a block is a twentieth of each axis; source: released code
_CURVE_SAMPLES = 100_000  # source: released code
_BORDER = 3  # voxels that in-painting keeps off the faces; source: released code


class Damage(Strict):
    """How often and how much a volume is damaged.

    With `shuffle_probability` the voxels of `shuffle_blocks` blocks are permuted, with `intensity_probability`
    intensities go through a curve, and up to `inpaint_boxes` boxes are filled with noise, each after a draw of
    `inpaint_probability`.
    """

    shuffle_probability: float = Field(ge=0, le=1)
    shuffle_blocks: int = Field(ge=0)
    intensity_probability: float = Field(ge=0, le=1)
    inpaint_boxes: int = Field(ge=0)
    inpaint_probability: float = Field(ge=0, le=1)


def damage(volume: np.ndarray, limits: Damage, rng: np.random.RandomState) -> np.ndarray:
    """Return float32 of a volume (1, D, H, W) in 0..1, shuffled, curved and in-painted by chance."""
    if rng.rand() < limits.shuffle_probability:
        volume = shuffle_blocks(volume, limits.shuffle_blocks, rng)
    if rng.rand() < limits.intensity_probability:
        volume = curve_intensity(volume, rng)
    return inpaint(volume, limits.inpaint_boxes, limits.inpaint_probability, rng).astype(np.float32)


def shuffle_blocks(volume: np.ndarray, n_blocks: int, rng: np.random.RandomState) -> np.ndarray:
    """Permute the voxels within each of `n_blocks` blocks of a twentieth of each axis.

    Every block is read from the undamaged volume and permuted alike; where two overlap the later one stays.
    """
    size = [length // _BLOCKS_PER_AXIS for length in volume.shape[1:]]
    starts = [rng.randint(0, length - block, n_blocks) for length, block in zip(volume.shape[1:], size, strict=True)]
    order = np.arange(np.prod(size))
    rng.shuffle(order)
    shuffled = volume.copy()
    for start in zip(*starts, strict=True):
        block = (0, *(slice(first, first + length) for first, length in zip(start, size, strict=True)))
        shuffled[block] = volume[block].ravel()[order].reshape(size)
    return shuffled


def curve_intensity(volume: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Map intensities by a cubic Bézier curve from (0, 0) to (1, 1) with two uniform control points.

    Both coordinates of the curve's samples are sorted, as released: it always rises.
    """
    points = np.array([(0, 0), *rng.rand(2, 2), (1, 1)])
    x, y = bezier(points, _CURVE_SAMPLES).T
    return np.interp(volume, np.sort(x), np.sort(y))


def bezier(points: np.ndarray, n_samples: int) -> np.ndarray:
    """Return (n_samples, 2) of the cubic Bézier curve of points (4, 2), Σ_i C(3, i) t^(3-i) (1-t)^i P_i, t = 0..1."""
    t = np.linspace(0, 1, n_samples)[:, None]
    basis = np.hstack([t**3, 3 * t**2 * (1 - t), 3 * t * (1 - t) ** 2, (1 - t) ** 3])
    return basis @ points


def inpaint(volume: np.ndarray, n_boxes: int, probability: float, rng: np.random.RandomState) -> np.ndarray:
    """Fill boxes with uniform noise in 0..1, up to `n_boxes` and as long as a draw is below `probability`.

    A box is a tenth to a fifth of each axis and stays three voxels off the faces.
    """
    painted = volume.copy()
    for _ in range(n_boxes):
        if rng.rand() >= probability:
            break
        size = [rng.randint(length // 10, length // 5) for length in volume.shape[1:]]
        start = [
            rng.randint(_BORDER, length - box - _BORDER) for length, box in zip(volume.shape[1:], size, strict=True)
        ]
        box = tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))
        painted[(slice(None), *box)] = rng.rand(len(volume), *size)
    return painted
