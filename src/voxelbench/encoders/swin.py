"""The Swin encoder of MONAI's SwinUNETR, with its skip blocks and its decoder as parts of their own.

State-dict names inside each part are MONAI's (`swinViT.*`, `encoder1..4,10`, `decoder1..5`), so that weights travel
to and from SwinUNETR by name.
"""

from collections.abc import Sequence

import torch
from monai.networks.blocks import UnetrBasicBlock, UnetrUpBlock
from monai.networks.nets.swin_unetr import PatchMerging, PatchMergingV2, SwinTransformer
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.encoders.backbone import Decoder, Encoder
from voxelbench.settings import SwinPreset

# Offsets (x, y, z) of the eight sub-grids as MONAI up to 1.4 concatenated them: two occur twice, two never.
# All published Swin-UNETR, VoCo, SwinMM and S2DC weights were trained so.
_LEGACY_OFFSETS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 0), (0, 0, 1), (1, 1, 1))


class LegacyPatchMerging(PatchMergingV2):
    """Patch merging as MONAI computed it before version 1.5, on (B, X, Y, Z, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Halve each axis and double the channels: (B, X, Y, Z, C) -> (B, X/2, Y/2, Z/2, 2C)."""
        odd = [length % 2 for length in x.shape[1:4]]
        x = functional.pad(x, (0, 0, 0, odd[2], 0, odd[1], 0, odd[0]))
        merged = torch.cat([x[:, i::2, j::2, k::2] for i, j, k in _LEGACY_OFFSETS], -1)
        return self.reduction(self.norm(merged))


_MERGING = {"legacy": LegacyPatchMerging, "fixed": PatchMerging}
N_STAGES = 4


class SwinTrunk(Encoder):
    """Five layer-normalised feature maps at strides 2 to 32, and the input itself is the sixth scale of the decoder."""

    def __init__(self, preset: SwinPreset, in_channels: int) -> None:
        super().__init__()
        self.preset = preset
        self.in_channels = in_channels
        self.channels = tuple(preset.feature_size * 2**stage for stage in range(N_STAGES + 1))
        self.strides = tuple(preset.patch_size * 2**stage for stage in range(N_STAGES + 1))
        self.swinViT = SwinTransformer(
            in_chans=in_channels,
            embed_dim=preset.feature_size,
            window_size=(preset.window_size,) * 3,
            patch_size=(preset.patch_size,) * 3,
            depths=preset.depths,
            num_heads=preset.num_heads,
            use_checkpoint=preset.checkpointing,
            use_v2=preset.use_v2,
            downsample=_MERGING[preset.merging],
        )

    def forward(self, volume: Tensor) -> tuple[Tensor, ...]:
        """Map (B, C, X, Y, Z) to five maps, (B, feature_size * 2**i, X / 2**(i+1), ...)."""
        return tuple(self.swinViT(volume))


class SwinSkips(nn.Module):
    """The convolution blocks of SwinUNETR between trunk and decoder; the fourth map has none."""

    def __init__(self, preset: SwinPreset, in_channels: int) -> None:
        super().__init__()
        size = preset.feature_size
        self.encoder1 = _block(in_channels, size)
        self.encoder2 = _block(size, size)
        self.encoder3 = _block(2 * size, 2 * size)
        self.encoder4 = _block(4 * size, 4 * size)
        self.encoder10 = _block(16 * size, 16 * size)

    def forward(self, volume: Tensor, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the six maps that the decoder reads, from full resolution to stride 32."""
        fine, second, third, fourth, coarse = features
        return (
            self.encoder1(volume),
            self.encoder2(fine),
            self.encoder3(second),
            self.encoder4(third),
            fourth,
            self.encoder10(coarse),
        )


class SwinDecoder(Decoder):
    """The up path of SwinUNETR, ending at full resolution with `feature_size` channels."""

    def __init__(self, preset: SwinPreset) -> None:
        super().__init__()
        size = preset.feature_size
        self.channels = (8 * size, 4 * size, 2 * size, size, size)
        self.strides = (*(preset.patch_size * 2**stage for stage in (3, 2, 1, 0)), 1)
        self.decoder5 = _up_block(16 * size, 8 * size)
        self.decoder4 = _up_block(8 * size, 4 * size)
        self.decoder3 = _up_block(4 * size, 2 * size)
        self.decoder2 = _up_block(2 * size, size)
        self.decoder1 = _up_block(size, size)

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Map the six maps of `SwinSkips` to five, the last of them (B, feature_size, X, Y, Z)."""
        full, half, quarter, eighth, sixteenth, coarse = maps
        first = self.decoder5(coarse, sixteenth)
        second = self.decoder4(first, eighth)
        third = self.decoder3(second, quarter)
        fourth = self.decoder2(third, half)
        return first, second, third, fourth, self.decoder1(fourth, full)


def _block(in_channels: int, out_channels: int) -> UnetrBasicBlock:
    return UnetrBasicBlock(3, in_channels, out_channels, kernel_size=3, stride=1, norm_name="instance", res_block=True)


def _up_block(in_channels: int, out_channels: int) -> UnetrUpBlock:
    return UnetrUpBlock(
        3, in_channels, out_channels, kernel_size=3, upsample_kernel_size=2, norm_name="instance", res_block=True
    )
