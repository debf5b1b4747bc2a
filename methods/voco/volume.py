"""The volume that VoCo's positions refer to: the foreground of a scan, stretched to one size."""

import numpy as np

from voxelbench.data.case import Case
from voxelbench.data.foreground import foreground_box
from voxelbench.data.intensity import scale
from voxelbench.nn.resize import resize
from voxelbench.settings import IntensityRule, Triple


def stretched_foreground(case: Case, rule: IntensityRule, floor: float, crop: Triple) -> np.ndarray:
    """Return float32 (1, *crop): the box around the scaled voxels above `floor`, its spacing given up as released.

    Raises DataError if no voxel is above `floor`.
    """
    volume = scale(case.read()[:1], [rule])
    return resize(volume[(slice(None), *foreground_box(case.case_id, volume[0], floor))], crop)
