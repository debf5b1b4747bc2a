"""The volume that one sample of S2DC is drawn from: a random box of the foreground, at the scan's own spacing."""

import numpy as np

from voxelbench.data.case import Case
from voxelbench.data.crops import cut, random_start
from voxelbench.data.foreground import foreground_box
from voxelbench.data.intensity import scale
from voxelbench.nn.resize import resize
from voxelbench.settings import IntensityRule, Triple


def draw_volume(case: Case, rule: IntensityRule, crop: Triple, rng: np.random.RandomState) -> np.ndarray:
    """Draw float32 (1, *crop) inside the foreground, what is above 0, or above the minimum of a z-score.

    An axis that is too short is stretched, as released. Raises DataError for a case without a foreground.
    """
    volume = scale(case.read()[:1], [rule])
    floor = 0.0 if rule.kind == "window" else float(volume.min())
    volume = volume[(slice(None), *foreground_box(case.case_id, volume[0], floor))]
    size = np.minimum(volume.shape[1:], crop)
    return resize(cut(volume, random_start(volume.shape[1:], size, rng), size), crop)
