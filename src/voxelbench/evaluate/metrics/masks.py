"""All scores of one class of a case, with one rule for empty masks.

| prediction | reference | presence | dice, nsd | hd95                   |
|------------|-----------|----------|-----------|------------------------|
| some       | some      | present  | value     | value                  |
| empty      | some      | missed   | 0         | diagonal of the volume |
| some       | empty     | spurious | 0         | diagonal of the volume |
| empty      | empty     | absent   | no value  | no value               |

The three flags `missed`, `spurious` and `absent` are scores too, 0 or 1, of every class of every case. So nothing
disappears: a table's mean is over the cases that are not absent, and the sum of `absent` says how many it leaves out.
"""

from enum import StrEnum

import numpy as np

from voxelbench.evaluate.metrics.guards import Spacing, require_masks
from voxelbench.evaluate.metrics.overlap import dice
from voxelbench.evaluate.metrics.surface import ORGAN_TOLERANCE_MM, hd95, nsd


class Presence(StrEnum):
    """Which of prediction and reference have the class."""

    present = "present"
    missed = "missed"
    spurious = "spurious"
    absent = "absent"


def presence(prediction: np.ndarray, reference: np.ndarray) -> Presence:
    """Say which of two bool masks (X, Y, Z) have a voxel."""
    require_masks(prediction, reference)
    if reference.any():
        return Presence.present if prediction.any() else Presence.missed
    return Presence.spurious if prediction.any() else Presence.absent


def mask_scores(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: Spacing | None,
    tolerance_mm: float = ORGAN_TOLERANCE_MM,
) -> dict[str, float]:
    """Return the flags of a class and, unless it is absent, its Dice, HD95 (mm) and NSD.

    Raises DataError if the masks do not match, or the spacing is not known.
    """
    found = presence(prediction, reference)
    flags = {state.value: float(found == state) for state in Presence if state != Presence.present}
    if found == Presence.absent:
        return flags
    return flags | {
        "dice": dice(prediction, reference),
        "hd95": hd95(prediction, reference, spacing_mm),
        "nsd": nsd(prediction, reference, spacing_mm, tolerance_mm),
    }
