"""The same place in another body: its relative position in the box around the body, and how alike both places look."""

import numpy as np

from voxelbench.data.cache import Box


class RelativePosition:
    """Carries voxels from one box to another: to the voxel that holds the same relative position."""

    def __init__(self, source: Box, target: Box) -> None:
        self._source, length = _corner_and_length(source)
        self._target, target_length = _corner_and_length(target)
        self._ratio = target_length / length

    def carry(self, voxels: np.ndarray) -> np.ndarray:
        """Return the voxels (..., 3) of the target; those outside the source's box come to lie outside the target's."""
        centres = voxels - self._source + 0.5
        return np.floor(centres * self._ratio).astype(int) + self._target


def _corner_and_length(box: Box) -> tuple[np.ndarray, np.ndarray]:
    return np.array([span.start for span in box]), np.array([span.stop - span.start for span in box])


def cube(length: int) -> np.ndarray:
    """Return the offsets (length³, 3) of the voxels of a cube from its centre."""
    offsets = np.arange(length) - length // 2
    return np.stack(np.meshgrid(offsets, offsets, offsets, indexing="ij"), -1).reshape(-1, 3)


def values(volume: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Return the values (n,) of a volume (X, Y, Z) at voxels (n, 3); beyond the volume, its edge is repeated."""
    x, y, z = np.clip(voxels, 0, np.array(volume.shape) - 1).T
    return volume[x, y, z]


def correlation(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the normalised cross-correlation of two arrays (n,), -1 to 1; 0 if either is constant."""
    if np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        return 0.0
    return float(np.corrcoef(ours, theirs)[0, 1])
