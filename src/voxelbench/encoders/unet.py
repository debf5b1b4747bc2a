"""The 3D U-Net of GVSL (He et al., CVPR 2023): the down path is the trunk, the up path the decoder.

State-dict names are those of the released code (`inc`, `down1..4`; `up1..4`), so that its checkpoints travel by name.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.encoders.backbone import Decoder, Encoder
from voxelbench.settings import UNetPreset

N_POOLINGS = 4
_DIVISOR = 2**N_POOLINGS
_CHANNELS_PER_GROUP = 8
_SLOPE = 0.2


class UNetTrunk(Encoder):
    """Five maps at strides 1 to 16 of the volume, which is padded with zeros to multiples of 16 voxels."""

    def __init__(self, preset: UNetPreset, in_channels: int) -> None:
        super().__init__()
        self.preset = preset
        self.in_channels = in_channels
        self.channels = preset.widths
        self.strides = tuple(2**level for level in range(N_POOLINGS + 1))
        self.inc = ConvBlock(in_channels, preset.widths[0])
        for level, (fine, coarse) in enumerate(pairwise(preset.widths), start=1):
            self.add_module(f"down{level}", _Down(fine, coarse))

    def forward(self, volume: Tensor) -> tuple[Tensor, ...]:
        """Map (B, C, X, Y, Z) to five maps (B, widths[i], X' / 2**i, ...), with X' the padded X."""
        maps = [self.inc(functional.pad(volume, _padding(volume.shape[2:])))]
        for level in range(1, N_POOLINGS + 1):
            maps.append(self.get_submodule(f"down{level}")(maps[-1]))
        return tuple(maps)


class UNetDecoder(Decoder):
    """Four maps at strides 8 to 1; the last has the size of the volume, without the padding."""

    def __init__(self, preset: UNetPreset) -> None:
        super().__init__()
        coarse_to_fine = preset.widths[::-1]
        self.channels = coarse_to_fine[1:]
        self.strides = tuple(2**level for level in reversed(range(N_POOLINGS)))
        for level, (coarse, fine) in enumerate(pairwise(coarse_to_fine), start=1):
            self.add_module(f"up{level}", _Up(coarse, fine))

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, ...]:
        """Map the five maps of the trunk to four (B, channels[i], ...); `size` is that of the volume, (X, Y, Z)."""
        *skips, x = maps
        decoded = []
        for level, skip in enumerate(reversed(skips), start=1):
            x = self.get_submodule(f"up{level}")(x, skip)
            decoded.append(x)
        decoded[-1] = functional.pad(x, tuple(-border for border in _padding(size)))
        return tuple(decoded)


class ConvBlock(nn.Module):
    """Twice: convolution (3 x 3 x 3), group normalisation of 8 channels a group, leaky ReLU of slope 0.2.

    Weights of the convolutions are drawn Kaiming-normal.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(*_layers(in_channels, out_channels), *_layers(out_channels, out_channels))
        for layer in self.double_conv:
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, X, Y, Z)."""
        return self.double_conv(x)


class _Down(nn.Module):
    """Max pooling by 2, then a block."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool3d(2), ConvBlock(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class _Up(nn.Module):
    """Trilinear upsampling by 2 with aligned corners, then a block on skip and upsampled map, in this order."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvBlock(in_channels + out_channels, out_channels)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        upsampled = functional.interpolate(coarse, scale_factor=2, mode="trilinear", align_corners=True)
        return self.conv(torch.cat([skip, upsampled], dim=1))


def _layers(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv3d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.GroupNorm(out_channels // _CHANNELS_PER_GROUP, out_channels),
        nn.LeakyReLU(_SLOPE, inplace=True),
    )


def _padding(size: Sequence[int]) -> tuple[int, ...]:
    """Return the borders that make each axis a multiple of 16, as `functional.pad` takes them: the last axis first.

    An odd number of voxels puts the larger half behind.
    """
    missing = [-length % _DIVISOR for length in reversed(size)]
    return tuple(border for total in missing for border in (total // 2, total - total // 2))
