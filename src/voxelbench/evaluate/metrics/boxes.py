"""Boxes around what is scored: outside of them nothing counts, and most of a volume lies outside."""

import numpy as np

from voxelbench.data.cache import Box


def bounding_box(mask: np.ndarray, margin: int = 0) -> Box:
    """Return the smallest box (X, Y, Z) with every True voxel, widened by `margin` but not beyond the volume.

    The mask must have a True voxel.
    """
    found = [np.flatnonzero(mask.any(tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    return tuple(
        slice(max(0, int(true[0]) - margin), min(n, int(true[-1]) + margin + 1))
        for true, n in zip(found, mask.shape, strict=True)
    )  # type: ignore[return-value]
