"""Networks of tasks: a backbone and a head."""

from itertools import pairwise

import torch
from monai.networks.blocks import UnetOutBlock
from torch import Tensor, nn

from voxelbench.encoders.backbone import Backbone, Decoder


class DenseNetwork(nn.Module):
    """An output for each voxel: a backbone, and one linear layer on the decoder's finest map.

    That is a 1 x 1 x 1 convolution at full resolution; of a decoder that ends at stride s, each voxel of the map gives
    a cube of s x s x s outputs, as in nnFormer.
    """

    parts = frozenset({"trunk", "skips", "decoder"})

    def __init__(self, backbone: Backbone, out_channels: int, starts_at_zero: bool = False) -> None:
        super().__init__()
        if backbone.decoder is None:
            raise ValueError("a dense network needs a backbone with a decoder")
        self.backbone = backbone
        self.out = voxel_head(backbone.decoder, out_channels)
        if starts_at_zero:
            for parameter in self.out.parameters():
                nn.init.zeros_(parameter)

    def forward(self, volume: Tensor) -> Tensor:
        """Map (B, C, X, Y, Z) to (B, out_channels, X, Y, Z)."""
        return self.out(self.backbone(volume).decoded[-1])


def voxel_head(decoder: Decoder, out_channels: int) -> nn.Module:
    """Return the linear layer that maps a decoder's finest map to (B, out_channels, X, Y, Z)."""
    channels, stride = decoder.channels[-1], decoder.strides[-1]
    if stride == 1:
        return UnetOutBlock(3, channels, out_channels)
    return nn.ConvTranspose3d(channels, out_channels, kernel_size=stride, stride=stride)


class PooledNetwork(nn.Module):
    """One output for each volume: the coarsest map, averaged, and a linear layer.

    With `n_hidden` it is two linear layers with nothing between them, as S2DC's released code has it: what they can
    compute is the same, how they learn it is not.
    """

    parts = frozenset({"trunk"})

    def __init__(self, backbone: Backbone, n_outputs: int, n_hidden: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        widths = [backbone.trunk.channels[-1], *([n_hidden] if n_hidden else []), n_outputs]
        self.out = nn.Sequential(*(nn.Linear(width, following) for width, following in pairwise(widths)))

    def forward(self, volume: Tensor) -> Tensor:
        """Map (B, C, X, Y, Z) to (B, n_outputs)."""
        return self.out(torch.flatten(self.backbone.trunk(volume)[-1], 2).mean(-1))
