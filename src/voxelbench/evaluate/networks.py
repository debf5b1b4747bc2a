"""Networks of tasks: a backbone and a head."""

import torch
from monai.networks.blocks import UnetOutBlock
from torch import Tensor, nn

from voxelbench.encoders.backbone import Backbone


class DenseNetwork(nn.Module):
    """An output for each voxel: trunk, skips, decoder, and a 1 x 1 x 1 convolution."""

    parts = frozenset({"trunk", "skips", "decoder"})

    def __init__(self, backbone: Backbone, out_channels: int, starts_at_zero: bool = False) -> None:
        super().__init__()
        if backbone.skips is None or backbone.decoder is None:
            raise ValueError("a dense network needs a backbone with skips and decoder")
        self.backbone = backbone
        self.out = UnetOutBlock(3, backbone.decoder.out_channels, out_channels)
        if starts_at_zero:
            for parameter in self.out.parameters():
                nn.init.zeros_(parameter)

    def forward(self, volume: Tensor) -> Tensor:
        """Map (B, C, X, Y, Z) to (B, out_channels, X, Y, Z)."""
        skips = self.backbone.skips(volume, self.backbone.trunk(volume))  # type: ignore[misc]
        return self.out(self.backbone.decoder(skips))  # type: ignore[misc]


class PooledNetwork(nn.Module):
    """One output for each volume: the coarsest map, averaged, and a linear layer."""

    parts = frozenset({"trunk"})

    def __init__(self, backbone: Backbone, n_outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.out = nn.Linear(backbone.trunk.channels[-1], n_outputs)

    def forward(self, volume: Tensor) -> Tensor:
        """Map (B, C, X, Y, Z) to (B, n_outputs)."""
        return self.out(torch.flatten(self.backbone.trunk(volume)[-1], 2).mean(-1))
