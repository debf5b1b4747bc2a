"""Which part of a crop is hidden: cubes of a regular grid."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor


def draw_hidden_cells(grid: Sequence[int], hidden_fraction: float, rng: np.random.RandomState) -> np.ndarray:
    """Draw bool `grid`, True where hidden: the kept cells are drawn, in row-major order, as released."""
    hidden = np.ones(np.prod(grid), bool)
    hidden[rng.choice(hidden.size, n_kept(hidden.size, hidden_fraction), replace=False)] = False
    return hidden.reshape(grid)


def n_kept(n_cells: int, hidden_fraction: float) -> int:
    """Return how many of `n_cells` stay visible."""
    return round(n_cells * (1 - hidden_fraction))


def to_voxels(cells: Tensor, cell: int) -> Tensor:
    """Enlarge the last three axes of a grid by `cell`, (..., x, y, z) -> (..., x * cell, y * cell, z * cell)."""
    for axis in (-3, -2, -1):
        cells = cells.repeat_interleave(cell, axis)
    return cells
