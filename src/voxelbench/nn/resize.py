"""Volumes at another size, whatever that does to their spacing."""

import numpy as np
import torch
from torch.nn import functional

from voxelbench.settings import Triple


def resize(volume: np.ndarray, shape: Triple) -> np.ndarray:
    """Return (C, *shape) of a volume (C, X, Y, Z): trilinear, the corner voxels keep their values.

    Voxel t of n samples position t * (N - 1) / (n - 1) of N, without smoothing beforehand.
    """
    if volume.shape[1:] == shape:
        return np.ascontiguousarray(volume)
    batch = torch.from_numpy(np.ascontiguousarray(volume))[None]
    return functional.interpolate(batch, shape, mode="trilinear", align_corners=True)[0].numpy()
