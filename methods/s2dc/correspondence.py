"""Which source token shows the same place as which transformed token: the ground truth of S2DC.

Tokens lie in the X-Y plane of the volume, one every `token_size` voxels, and are counted row-major, X first.
Positions are u = length / 2 - centre, as in the released code: from a token's centre to the middle of the volume.
"""

from typing import Literal

import numpy as np

from .augmentation import VolumeAffine, plane_rotation, scaling, translation

GroundTruth = Literal["upstream", "exact"]


def token_map(affine: VolumeAffine, mode: GroundTruth) -> np.ndarray:
    """Return the matrix (4, 4) that carries a source position u to the transformed volume: H of eq. 1.

    `exact` undoes the resampling: S^-1 R^T T(t). `upstream` is T(t) R^T S^-1 as released: the shift is applied
    last, which is wrong as soon as it meets a rotation or a scale.
    """
    unrotate, unscale = plane_rotation(-affine.angle_degrees), scaling(1 / affine.scale)
    if mode == "upstream":
        return translation(affine.shift) @ unrotate @ unscale
    return unscale @ unrotate @ translation(affine.shift)


def token_pairs(forward: np.ndarray, lengths: tuple[int, int], token_size: int) -> np.ndarray:
    """Return the ground truth bool (N, N) of eq. 1, rows source, columns transformed: tokens that map onto each other.

    `forward` is H (4, 4), `lengths` the extent of the plane in voxels. A row or column has one match or none.
    """
    target = _moved(forward, lengths, token_size)
    origin = _moved(np.linalg.inv(forward), lengths, token_size)
    inside = np.flatnonzero(target >= 0)
    mutual = inside[origin[target[inside]] == inside]
    pairs = np.zeros((len(target), len(target)), bool)
    pairs[mutual, target[mutual]] = True
    return pairs


def _moved(matrix: np.ndarray, lengths: tuple[int, int], token_size: int) -> np.ndarray:
    """Return for each token (N,) the token that its centre falls into, or -1 outside of the plane."""
    middle = np.array(lengths)[:, None] / 2
    counts = [length // token_size for length in lengths]
    tokens = np.indices(counts).reshape(2, -1)
    positions = np.zeros((4, tokens.shape[1]))
    positions[:2] = middle - (tokens + 0.5) * token_size
    positions[3] = 1
    row, column = np.floor((middle - (matrix @ positions)[:2]) / token_size).astype(int)
    inside = (row >= 0) & (row < counts[0]) & (column >= 0) & (column < counts[1])
    return np.where(inside, row * counts[1] + column, -1)
