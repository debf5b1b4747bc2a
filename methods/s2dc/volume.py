"""The volume that one sample of S2DC is drawn from: a random box of the foreground, at the scan's own spacing."""

import numpy as np
import torch
from torch.nn import functional

from voxelbench.data.case import Case
from voxelbench.data.crops import random_start
from voxelbench.data.intensity import scale
from voxelbench.settings import IntensityRule, Triple


def draw_volume(case: Case, rule: IntensityRule, crop: Triple, rng: np.random.RandomState) -> np.ndarray:
    """Draw float32 (1, *crop) inside the foreground, what is above 0, or above the minimum of a z-score.

    An axis that is too short is stretched, as released.
    """
    volume = scale(case.read()[:1], [rule])
    floor = 0.0 if rule.kind == "window" else volume.min()
    volume = volume[(slice(None), *_bounding_box(volume[0] > floor))]
    size = np.minimum(volume.shape[1:], crop)
    start = random_start(volume.shape[1:], size, rng)
    drawn = volume[(slice(None), *(slice(a, a + n) for a, n in zip(start, size, strict=True)))]
    if drawn.shape[1:] == crop:
        return np.ascontiguousarray(drawn)
    stretched = functional.interpolate(torch.from_numpy(drawn)[None], crop, mode="trilinear", align_corners=True)
    return stretched[0].numpy()


def _bounding_box(foreground: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box around the foreground; everything if there is none."""
    if not foreground.any():
        return (slice(None),) * 3
    return tuple(slice(where.min(), where.max() + 1) for where in foreground.nonzero())
