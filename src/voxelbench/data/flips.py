"""Random flips."""

import numpy as np


def flip(volumes: list[np.ndarray], probability: float, rng: np.random.RandomState) -> list[np.ndarray]:
    """Flip all volumes (..., X, Y, Z) alike, along each of the last three axes with the given probability."""
    axes = tuple(axis for axis in (-3, -2, -1) if rng.uniform() < probability)
    return [np.ascontiguousarray(np.flip(volume, axes)) for volume in volumes]
