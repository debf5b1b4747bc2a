"""Scaled crops of a case: what views hand to a network."""

from collections.abc import Sequence

import numpy as np

from voxelbench.data.case import Case
from voxelbench.data.crops import Start, cut, read_crop
from voxelbench.data.intensity import scale
from voxelbench.settings import IntensityRule


def read_scaled(case: Case, channels: Sequence[str], rules: Sequence[IntensityRule]) -> np.ndarray:
    """Return the whole case, float32 (C, X, Y, Z), as network input."""
    return scale(case.read(channels), rules)


def read_scaled_crop(
    case: Case, channels: Sequence[str], rules: Sequence[IntensityRule], start: Start, size: Sequence[int]
) -> np.ndarray:
    """Return a crop, float32 (C, *size), as network input.

    A window needs the crop alone; a z-score is taken over the whole volume, so the volume is read.
    """
    if all(rule.kind == "window" for rule in rules):
        return scale(read_crop(case, start, size, channels), rules)
    return cut(read_scaled(case, channels, rules), start, size)
