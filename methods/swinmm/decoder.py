"""The reconstruction decoder of SwinMM: from the trunk's last map alone, without skip connections."""

from itertools import pairwise

from torch import nn


def make_decoder(channels: int, stride: int) -> nn.Sequential:
    """Return a network (n, channels, x, y, z) -> (n, 1, x * stride, y * stride, z * stride).

    A stage is convolution 3, instance normalisation without weights, leaky ReLU and doubling of each length. The first
    four halve the width, e.g. 768, 384, 192, 96, 48, the last keeps it; `stride` is a power of 2.
    """
    n_stages = stride.bit_length() - 1
    widths = [channels >> min(stage, n_stages - 1) for stage in range(n_stages + 1)]
    stages = [_stage(*pair) for pair in pairwise(widths)]
    return nn.Sequential(*(layer for stage in stages for layer in stage), nn.Conv3d(widths[-1], 1, kernel_size=1))


def _stage(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv3d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.InstanceNorm3d(out_channels),
        nn.LeakyReLU(0.01),
        nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False),
    )
