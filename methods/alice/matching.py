"""The voxel of another volume whose anatomical embedding is most like that of a voxel.

Embeddings have axes (C, z, y, x), points are voxels (x, y, z). Rounding and similarity are those of the released code.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from voxelbench.settings import Triple


class Embedding(NamedTuple):
    """Maps of one volume, `fine` (C, z, y, x) and `coarse` (D, z', y', x'); each vector of `fine` has length 1."""

    fine: Tensor
    coarse: Tensor


@dataclass(frozen=True)
class Lattice:
    """Where the cells of a fine map lie in the volume of `shape` (x, y, z) that it was made from.

    The volume was resampled by `ratio`, its spacing over that of the resampled one, and embedded at every
    `stride`-th voxel; the axes that are `mirrored` run the other way in the embedding.
    """

    shape: Triple
    ratio: tuple[float, float, float]
    stride: int
    mirrored: tuple[bool, bool, bool] = (False, False, False)

    def cell(self, point: Triple) -> Triple:
        """Return the cell (z, y, x) of a voxel p: floor(p * ratio / stride)."""
        x, y, z = (int(p * ratio / self.stride) for p, ratio in zip(self._mirror(point), self.ratio, strict=True))
        return z, y, x

    def point(self, cell: Triple) -> Triple:
        """Return the voxel of a cell i, (i * stride + 0.5) / ratio, truncated and no further than the last one."""
        voxels = (int((i * self.stride + 0.5) / ratio) for i, ratio in zip(reversed(cell), self.ratio, strict=True))
        x, y, z = (min(voxel, n - 1) for voxel, n in zip(voxels, self.shape, strict=True))
        return self._mirror((x, y, z))

    def _mirror(self, point: Triple) -> Triple:
        axes = zip(point, self.shape, self.mirrored, strict=True)
        x, y, z = (n - 1 - p if is_mirrored else p for p, n, is_mirrored in axes)
        return x, y, z


class Search:
    """Compares cells of `query` with all cells of `key`: the mean of the cosines of the fine and of the coarse map.

    Coarse maps are resized to the fine grid, trilinearly, and normalised there. Resizing is linear, so the products
    are resized in place of the vectors, and only the lengths of the resized vectors are kept.
    """

    def __init__(self, query: Embedding, key: Embedding) -> None:
        self._query = query
        self._fine, self._coarse = key.fine.float(), key.coarse.float()
        self._lengths = _resized_lengths(self._coarse, self._fine.shape[1:])

    def best(self, cell: Triple) -> tuple[Triple, float]:
        """Return the cell of the key most like a cell of the query, the first of equals, and its similarity.

        The similarity is NaN if either embedding is NaN where it is looked at.
        """
        similarity = self.similarity(cell)
        first = similarity.argmax()  # to which NaN is larger than any number
        z, y, x = (int(index) for index in torch.unravel_index(first, similarity.shape))
        return (z, y, x), float(similarity.flatten()[first])

    def similarity(self, cell: Triple) -> Tensor:
        """Return the similarity of a cell of the query to every cell (z, y, x) of the key."""
        z, y, x = cell
        fine = torch.tensordot(self._query.fine[:, z, y, x].float(), self._fine, 1)
        coarse = torch.tensordot(self._coarse_vector(cell), self._coarse, 1)
        return (fine + _resize(coarse, fine.shape) / self._lengths) / 2

    def _coarse_vector(self, cell: Triple) -> Tensor:
        """Return the vector of length 1 that the resized coarse map of the query has at one cell of the fine grid."""
        vector = self._query.coarse.float()
        for index, n in zip(cell, self._query.fine.shape[1:], strict=True):
            weights = _resize_weights(vector.shape[1], n)[:, index]
            vector = torch.tensordot(vector, weights, ([1], [0]))
        return functional.normalize(vector, dim=0)


def _resize(scalars: Tensor, size: torch.Size) -> Tensor:
    """Return `size` of a map (z, y, x): trilinear, the ends of the axes aligned rather than the corner voxels."""
    return functional.interpolate(scalars[None, None], size, mode="trilinear", align_corners=False)[0, 0]


def _resize_weights(n_from: int, n_to: int) -> Tensor:
    """Return the matrix (n_from, n_to) that resizes one axis."""
    return functional.interpolate(torch.eye(n_from)[None], n_to, mode="linear", align_corners=False)[0]


def _resized_lengths(coarse: Tensor, size: torch.Size) -> Tensor:
    """Return the length of every vector of the resized map, (z, y, x), above 0; one plane at a time, to save memory."""
    along_z, along_y, along_x = (_resize_weights(*lengths) for lengths in zip(coarse.shape[1:], size, strict=True))
    planes = coarse.transpose(0, 1).contiguous()  # (z', C, y', x')
    resized = (along_y.T @ torch.tensordot(weights, planes, 1) @ along_x for weights in along_z.T)
    return torch.stack([torch.linalg.vector_norm(plane, dim=0) for plane in resized]).clamp_min(1e-12)
