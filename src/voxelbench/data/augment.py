"""Random flips, quarter turns and changes of intensity."""

from collections.abc import Sequence

import numpy as np

from voxelbench.settings import Jitter


def flip(volumes: list[np.ndarray], probability: float, rng: np.random.RandomState) -> list[np.ndarray]:
    """Flip all volumes (..., X, Y, Z) alike, along each of the last three axes with the given probability."""
    axes = tuple(axis for axis in (-3, -2, -1) if rng.uniform() < probability)
    return [np.ascontiguousarray(np.flip(volume, axes)) for volume in volumes]


def turn(volumes: Sequence[np.ndarray], probability: float, rng: np.random.RandomState) -> list[np.ndarray]:
    """Turn all volumes (..., X, Y, Z) alike in the plane of X and Y, by one to three quarters, with a probability.

    Where X and Y differ in length, only by two: the shape has to stay.
    """
    is_turned, quarters = rng.uniform() < probability, rng.randint(1, 4)
    if not is_turned:
        return list(volumes)
    *_, x, y, _ = volumes[0].shape
    quarters = quarters if x == y else 2
    return [np.ascontiguousarray(np.rot90(volume, quarters, (-3, -2))) for volume in volumes]


def jitter(image: np.ndarray, scale: Jitter, shift: Jitter, rng: np.random.RandomState) -> np.ndarray:
    """Multiply a float32 image (C, X, Y, Z) by 1 + u and add v, each drawn with its probability for all channels."""
    is_scaled, is_shifted = rng.uniform() < scale.probability, rng.uniform() < shift.probability
    factor, offset = 1.0 + rng.uniform(-scale.up_to, scale.up_to), rng.uniform(-shift.up_to, shift.up_to)
    if is_scaled:
        image = image * np.float32(factor)
    return image + np.float32(offset) if is_shifted else image
