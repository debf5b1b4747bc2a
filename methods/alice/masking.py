"""Which part of a crop the student does not see: columns or cells of a regular grid."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from voxelbench.settings import Triple
from voxelbench.validation import Strict


class Mask(Strict):
    """A grid of cubes of `cell` voxels. `tubes` hides whole columns along the third axis, `blocks` single cubes."""

    shape: Literal["tubes", "blocks"]
    cell: int = Field(gt=0)
    hidden_fraction: float = Field(gt=0, lt=1)

    def check(self, crop: Triple) -> None:
        """Raise ValueError for a crop that is no whole number of cells, or that would be hidden whole."""
        if any(length % self.cell for length in crop):
            raise ValueError(f"crop {crop} is no whole number of cells; make it a multiple of mask.cell {self.cell}")
        n_units = math.prod(self._units(crop))
        if self._n_hidden(n_units) == n_units:
            raise ValueError(
                f"mask.hidden_fraction {self.hidden_fraction} hides all {n_units} {self.shape} of a crop {crop}; "
                f"lower it or enlarge crop"
            )

    def draw(self, crop: Triple, rng: np.random.RandomState) -> np.ndarray:
        """Draw the cells of a crop, bool, True where hidden: the first of a permutation of its tubes or blocks."""
        units = self._units(crop)
        hidden = np.zeros(math.prod(units), bool)
        hidden[rng.permutation(hidden.size)[: self._n_hidden(hidden.size)]] = True
        hidden = hidden.reshape(*units, *(1,) * (3 - len(units)))
        return np.ascontiguousarray(np.broadcast_to(hidden, self._grid(crop)))

    def _grid(self, crop: Triple) -> tuple[int, ...]:
        return tuple(length // self.cell for length in crop)

    def _units(self, crop: Triple) -> tuple[int, ...]:
        """Return the grid of what is hidden as one."""
        return self._grid(crop)[:2] if self.shape == "tubes" else self._grid(crop)

    def _n_hidden(self, n_units: int) -> int:
        return math.ceil(self.hidden_fraction * n_units)


def without(volumes: Tensor, hidden: Tensor) -> Tensor:
    """Return volumes (B, 1, X, Y, Z) with 0 where the cells (B, 1, x, y, z), enlarged to their size, hide them."""
    return volumes * (1 - enlarged(hidden, volumes.shape[2:]).to(volumes.dtype))


def enlarged(hidden: Tensor, size: Sequence[int]) -> Tensor:
    """Return cells (B, 1, x, y, z) as float32 (B, 1, *size), each a box of equal values."""
    return functional.interpolate(hidden.float(), tuple(size), mode="nearest")
