"""Where crops lie in the plane of a volume, and how much a random crop overlaps with each base crop.

Base crops tile X and Y in a grid, row-major, without gaps; every crop takes the whole of Z. A position is the first
voxel (x, y) of a crop, `cell` the size (x, y) that all crops have.
"""

import numpy as np

Plane = tuple[int, int]


def base_positions(crop_grid: Plane, cell: Plane) -> list[Plane]:
    """Return the positions of the base crops, number k = n_y * i + j at (i * x, j * y)."""
    return [(i * cell[0], j * cell[1]) for i in range(crop_grid[0]) for j in range(crop_grid[1])]


def draw_position(crop_grid: Plane, cell: Plane, rng: np.random.RandomState) -> Plane:
    """Draw whole voxels, x then y, uniform over the crops inside the plane but for the last of each axis, as released.

    Along an axis with a single base crop there is one position, 0.
    """
    x, y = (rng.randint(0, max((n - 1) * length, 1)) for n, length in zip(crop_grid, cell, strict=True))
    return int(x), int(y)


def overlaps(position: Plane, crop_grid: Plane, cell: Plane) -> np.ndarray:
    """Return y_k = |crop and base crop k| / |crop|, float64 (K,).

    The areas factorise, y_{n_y i + j} = u_i v_j with u_i = max(0, 1 - |x / x_cell - i|), and sum to 1 over the tiling.
    """
    along = (
        np.maximum(0.0, length - np.abs(start - length * np.arange(n))) / length
        for start, n, length in zip(position, crop_grid, cell, strict=True)
    )
    return np.outer(*along).ravel()
