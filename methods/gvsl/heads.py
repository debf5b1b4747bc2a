"""The heads between GVSL's features and its transformations: affine, dense flow, and restoration."""

import math

import torch
from torch import Tensor, nn

from voxelbench.encoders.unet import ConvBlock

from .matrices import affine_matrix

_AFFINE_WIDTH, _FLOW_WIDTH, _RESTORATION_WIDTH = 256, 16, 16  # source: models/gvsl.py
_RESTORATION_GROUPS = 4  # source: models/gvsl.py
_SLOPE = 0.2  # source: models/gvsl.py
_MAX_ANGLE, _MAX_SHEAR, _MAX_SCALE = math.pi / 9, math.pi / 18, 0.25  # source: models/gvsl.py


class AffineHead(nn.Module):
    """Matrices (B, 3, 4) of the coarsest maps of two images: up to 20 degrees, a scale of 0.75 to 1.25, 10 of shear.

    Translations are not limited.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = _block(2 * channels, _AFFINE_WIDTH)
        self.rotation = nn.Linear(_AFFINE_WIDTH, 3)
        self.scale = nn.Linear(_AFFINE_WIDTH, 3)
        self.translation = nn.Linear(_AFFINE_WIDTH, 3)
        self.shear = nn.Linear(_AFFINE_WIDTH, 6)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Map two maps (B, channels, d, h, w) to the matrices that warp the moving image to the fixed one."""
        pooled = self.block(torch.cat([moving, fixed], 1)).mean((2, 3, 4))
        return affine_matrix(
            angles=self.rotation(pooled).float().clamp(-1, 1) * _MAX_ANGLE,
            scales=1 + self.scale(pooled).float().clamp(-1, 1) * _MAX_SCALE,
            shears=self.shear(pooled).float().clamp(-1, 1) * _MAX_SHEAR,
            translation=self.translation(pooled).float(),
        )


class FlowHead(nn.Module):
    """A flow (B, 3, D, H, W) in voxels of the finest maps of two images; at the start it is not near zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = _block(2 * channels, _FLOW_WIDTH)
        self.flow = nn.Conv3d(_FLOW_WIDTH, 3, kernel_size=3, padding=1)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Map two maps (B, channels, D, H, W) to the flow that warps the moving image to the fixed one."""
        return self.flow(self.block(torch.cat([moving, fixed], 1))).float()


def restoration_head(channels: int) -> nn.Sequential:
    """Return a network that maps the finest map (B, channels, D, H, W) to the undamaged image (B, 1, D, H, W)."""
    return nn.Sequential(
        nn.Conv3d(channels, _RESTORATION_WIDTH, kernel_size=3, padding=1),
        nn.GroupNorm(_RESTORATION_GROUPS, _RESTORATION_WIDTH),
        nn.LeakyReLU(_SLOPE),
        nn.Conv3d(_RESTORATION_WIDTH, 1, kernel_size=1),
    )


def _block(in_channels: int, out_channels: int) -> ConvBlock:
    """Return a block of the U-Net that starts as torch has it: Kaiming-normal weights are for the U-Net alone."""
    block = ConvBlock(in_channels, out_channels)
    for layer in block.double_conv:
        if isinstance(layer, nn.Conv3d):
            layer.reset_parameters()
    return block
