"""What happens to each crop on its own; its position, and so its overlaps, stay those of the crop as cut."""

import numpy as np
from pydantic import Field

from voxelbench.data.augment import flip
from voxelbench.validation import Strict


class Augmentation(Strict):
    """Probabilities of a flip of each axis, a quarter turn or several in X-Y, and a constant in -offset..offset."""

    flip_probability: float = Field(ge=0, le=1)
    turn_probability: float = Field(ge=0, le=1)
    shift_probability: float = Field(ge=0, le=1)
    shift_offset: float = Field(ge=0)


def augment(crop: np.ndarray, limits: Augmentation, rng: np.random.RandomState) -> np.ndarray:
    """Draw the changes of one crop (C, x, y, z) and apply them; intensities are not clipped again."""
    (crop,) = flip([crop], limits.flip_probability, rng)
    if rng.uniform() < limits.turn_probability:
        crop = np.rot90(crop, rng.randint(1, 4), axes=(1, 2))
    if rng.uniform() < limits.shift_probability:
        crop = crop + np.float32(rng.uniform(-limits.shift_offset, limits.shift_offset))
    return np.ascontiguousarray(crop)
