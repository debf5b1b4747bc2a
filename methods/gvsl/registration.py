"""What GVSL makes of two images: a matrix and a flow that take one to the other, and the restored one.

On array axes D, H, W throughout.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from .heads import AffineHead, FlowHead, restoration_head
from .warps import Units, affine_warp, dense_warp


class Features(NamedTuple):
    """A backbone's coarsest map (B, C, d, h, w) and its finest, at full resolution, (B, c, D, H, W)."""

    coarse: Tensor
    fine: Tensor


class Prediction(NamedTuple):
    """The fixed image restored, the moving one warped to it, and by what: matrices (B, 3, 4) and a flow in voxels."""

    restored: Tensor
    warped: Tensor
    matrices: Tensor
    flow: Tensor


class Registration(nn.Module):
    """The three heads. A `detached` affine head takes no gradient and passes none on: it stays as drawn."""

    def __init__(
        self,
        coarse_channels: int,
        fine_channels: int,
        *,
        affine: Literal["detached", "trained"],
        affine_units: Units,
        dense_align_corners: bool,
    ) -> None:
        super().__init__()
        self.is_affine_trained = affine == "trained"
        self.affine_units: Units = affine_units
        self.dense_align_corners = dense_align_corners
        self.affine_head = AffineHead(coarse_channels).requires_grad_(self.is_affine_trained)
        self.flow_head = FlowHead(fine_channels)
        self.restoration_head = restoration_head(fine_channels)

    def forward(self, moving: Features, fixed: Features, image: Tensor) -> Prediction:
        """Warp the moving `image` (B, 1, D, H, W), first by the matrices, then by the flow; restore the fixed one.

        The flow is read from the moving image's features after the matrices.
        """
        with torch.set_grad_enabled(self.is_affine_trained and torch.is_grad_enabled()):
            matrices = self.affine_head(moving.coarse, fixed.coarse)
        flow = self.flow_head(affine_warp(moving.fine, matrices, self.affine_units), fixed.fine)
        warped = compose(image, matrices, flow, self.affine_units, dense_align_corners=self.dense_align_corners)
        return Prediction(self.restoration_head(fixed.fine).float(), warped, matrices, flow)


def compose(
    volumes: Tensor, matrices: Tensor, flow: Tensor, affine_units: Units, *, dense_align_corners: bool
) -> Tensor:
    """Warp volumes (B, C, D, H, W) by matrices (B, 3, 4), and the result by a flow (B, 3, D, H, W)."""
    moved = affine_warp(volumes, matrices, affine_units)
    return dense_warp(moved, flow, align_corners=dense_align_corners)
