"""The volume that one sample of S2DC is drawn from: a random box of the foreground, at the scan's own spacing."""

import numpy as np

from voxelbench.data.case import Case
from voxelbench.data.crops import cut, random_start
from voxelbench.data.foreground import bounding_box
from voxelbench.data.intensity import scale
from voxelbench.nn.resize import resize
from voxelbench.settings import IntensityRule, Triple


def draw_volume(case: Case, rule: IntensityRule, crop: Triple, rng: np.random.RandomState) -> np.ndarray:
    """Draw float32 (1, *crop) inside the foreground, what is above 0, or above the minimum of a z-score.

    An axis that is too short is stretched, as released.
    """
    volume = scale(case.read()[:1], [rule])
    foreground = volume[0] > (0.0 if rule.kind == "window" else volume.min())
    if foreground.any():
        volume = volume[(slice(None), *bounding_box(foreground))]
    size = np.minimum(volume.shape[1:], crop)
    return resize(cut(volume, random_start(volume.shape[1:], size, rng), size), crop)
