"""Warps of volumes (B, C, D, H, W), trilinear with zeros outside: by a matrix each, and by a dense flow.

Both are those of the released code (utils/STN.py), whose coordinates do not agree with each other or with voxels; each
has a setting under which it moves by voxels.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Units = Literal["released", "voxels"]
"""What an affine matrix acts on.

`released`: normalised coordinates, -1 to 1 along each axis, rows W, H, D; the translation is divided by D, H, W in
this order. On a cube a translation t moves t / 2 voxels; another box mixes W up with D, and shears when it turns.
`voxels`: voxels from the centre, rows D, H, W; a translation t moves t voxels along its own axis.
"""


def affine_warp(volumes: Tensor, matrices: Tensor, units: Units) -> Tensor:
    """Resample volumes by matrices (B, 3, 4): what is seen at p lies at M p."""
    return _sample(volumes, affine_grid(matrices, volumes.shape[2:], units), align_corners=False)


def affine_grid(matrices: Tensor, size: Sequence[int], units: Units) -> Tensor:
    """Return the places that a warp samples, (B, D, H, W, 3), normalised as `functional.grid_sample` reads them."""
    matrices = matrices.float()
    theta = normalised(matrices, size) if units == "released" else _from_voxels(matrices, size)
    with torch.autocast(matrices.device.type, enabled=False):
        return functional.affine_grid(theta, [len(theta), 1, *size], align_corners=False)


def normalised(matrices: Tensor, size: Sequence[int]) -> Tensor:
    """Divide the translations of (B, 3, 4) by D, H and W, row by row, as released."""
    lengths = matrices.new_tensor(tuple(size))
    return torch.cat([matrices[:, :, :3], matrices[:, :, 3:] / lengths[:, None]], 2)


def _from_voxels(matrices: Tensor, size: Sequence[int]) -> Tensor:
    half = matrices.new_tensor(tuple(size)) / 2
    linear, offset = matrices[:, :, :3] * half / half[:, None], matrices[:, :, 3:] / half[:, None]
    return torch.cat([linear.flip(1, 2), offset.flip(1)], 2)  # grid_sample counts axes W, H, D


def dense_warp(volumes: Tensor, flow: Tensor, *, align_corners: bool) -> Tensor:
    """Resample volumes by a flow u (B, 3, D, H, W) in voxels along D, H, W.

    Voxel i of an axis with S voxels shows i + u with aligned corners. Without, as released, it shows
    (i + u) S / (S - 1) - 1/2: a flow of zero stretches the volume by up to half a voxel, and borders fade.
    """
    return _sample(volumes, dense_grid(flow), align_corners=align_corners)


def dense_grid(flow: Tensor) -> Tensor:
    """Return 2 (i + u) / (S - 1) - 1, (B, D, H, W, 3), coordinates in the order W, H, D."""
    flow, size = flow.float(), flow.shape[2:]
    voxels = torch.stack(torch.meshgrid(*(torch.arange(n, device=flow.device) for n in size), indexing="ij"))
    last = flow.new_tensor(size)[:, None, None, None] - 1
    return (2 * (voxels + flow) / last - 1).movedim(1, -1).flip(-1)


def _sample(volumes: Tensor, grid: Tensor, *, align_corners: bool) -> Tensor:
    return functional.grid_sample(
        volumes.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=align_corners
    )
