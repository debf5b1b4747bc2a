"""The volume that VoCo's positions refer to: the foreground of a scan, stretched to one size."""

import numpy as np

from voxelbench.data.case import Case
from voxelbench.data.foreground import bounding_box
from voxelbench.data.intensity import scale
from voxelbench.errors import DataError
from voxelbench.nn.resize import resize
from voxelbench.settings import IntensityRule, Triple


def stretched_foreground(case: Case, rule: IntensityRule, floor: float, crop: Triple) -> np.ndarray:
    """Return float32 (1, *crop): the box around the scaled voxels above `floor`, its spacing given up as released.

    Raises DataError if no voxel is above `floor`.
    """
    volume = scale(case.read()[:1], [rule])
    foreground = volume[0] > floor
    if not foreground.any():
        raise DataError(
            f"voco: case {case.case_id} has no voxel above {floor} after scaling, expected some foreground; "
            f"check its unit against `intensity` and `foreground_above`, or take it out of the corpus."
        )
    return resize(volume[(slice(None), *bounding_box(foreground))], crop)
