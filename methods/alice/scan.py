"""A case as its views see it: scaled, as crops centred on voxels of its own grid, and as a source of such voxels."""

from functools import cached_property

import numpy as np

from voxelbench.data.cache import Box
from voxelbench.data.case import Case
from voxelbench.data.crops import inside
from voxelbench.data.intensity import scale
from voxelbench.data.loading import read_scaled
from voxelbench.settings import IntensityRule, Triple

_DRAWS = 10_000  # after which air will do, as released


class Scan:
    """The first channel of a case, scaled by the rule of its modality and read once, when it is asked for.

    What lies above `floor` after scaling is body.
    """

    def __init__(self, case: Case, rule: IntensityRule, floor: float = 0.0) -> None:
        self.case = case
        self.floor = floor
        self._rule = rule
        self._channel = case.channels[:1]

    @cached_property
    def volume(self) -> np.ndarray:
        """The whole scaled volume, float32 (X, Y, Z)."""
        return read_scaled(self.case, self._channel, [self._rule])[0]

    def crop(self, centre: Triple, size: Triple) -> np.ndarray:
        """Return float32 (1, *size) from `centre - size // 2` on, at native spacing, 0 beyond the volume."""
        x, y, z = (p - n // 2 for p, n in zip(centre, size, strict=True))
        box, beyond = inside((x, y, z), size, self.case.shape)
        return np.pad(self._read(box), beyond)[None]

    def _read(self, box: Box) -> np.ndarray:
        """Return a box of the volume, which a window scales without the rest; a z-score is taken over all of it."""
        if self._rule.kind == "window" and "volume" not in vars(self):
            return scale(self.case.read(self._channel, box), [self._rule])[0]
        return self.volume[box]


def draw_point(volume: np.ndarray, margin: int, rng: np.random.RandomState, floor: float = 0.0) -> Triple:
    """Draw a voxel of (X, Y, Z) that is above `floor` and at least `margin` voxels from the upper end of every axis.

    As released: one draw an axis, in the order X, Y, Z, all three anew until the voxel will do; after 10,000 draws any
    that keeps the margin. Where an axis is no longer than the margin, any voxel.
    """
    if min(volume.shape) <= margin:
        return _draw_voxel(volume.shape, rng)
    n_draws = 0
    while True:
        point, n_draws = _draw_voxel(volume.shape, rng), n_draws + 1
        is_inside = all(p < n - margin for p, n in zip(point, volume.shape, strict=True))
        if is_inside and (volume[point] > floor or n_draws > _DRAWS):
            return point


def _draw_voxel(shape: tuple[int, ...], rng: np.random.RandomState) -> Triple:
    x, y, z = (int(rng.rand() * n) for n in shape)
    return x, y, z
