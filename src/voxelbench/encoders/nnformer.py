"""The nnFormer of Alice: a trunk of shifted-window attention between convolutions, and a decoder that attends to it.

State-dict names inside each part are those of the released code (`model_down.*`, `decoder.*`). Its output heads
(`final.*`) belong to whoever reads the decoder.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.encoders.backbone import Decoder, Encoder
from voxelbench.encoders.nnformer_layers import PatchEmbedding, Stage, UpStage
from voxelbench.errors import ConfigError
from voxelbench.settings import NnFormerPreset

_STRIDES = (2, 4, 8, 16)


class NnFormerTrunk(Encoder):
    """Four layer-normalised feature maps at strides 2 to 16."""

    def __init__(self, preset: NnFormerPreset, in_channels: int) -> None:
        super().__init__()
        self.preset = preset
        self.in_channels = in_channels
        self.channels = _channels(preset)
        self.strides = _STRIDES
        self.model_down = _Down(preset, in_channels)

    def forward(self, volume: Tensor) -> tuple[Tensor, ...]:
        """Map (B, C, X, Y, Z) to four maps, (B, embed * 2**i, X / 2**(i+1), ...).

        Raises ConfigError for a side that is no multiple of 16: halved and doubled, it would not meet itself again.
        """
        size = tuple(volume.shape[2:])
        if any(length % _STRIDES[-1] for length in size):
            raise ConfigError(
                f"encoder {self.preset.name} was given {' x '.join(map(str, size))} voxels and halves each side four "
                f"times; make the sides of the crop multiples of {_STRIDES[-1]}."
            )
        return tuple(tokens.movedim(-1, 1) for tokens in self.model_down(volume))


class NnFormerDecoder(Decoder):
    """The way up from the trunk's maps, ending at stride 2 with `embed` channels."""

    def __init__(self, preset: NnFormerPreset) -> None:
        super().__init__()
        self.channels = _channels(preset)[-2::-1]
        self.strides = _STRIDES[-2::-1]
        self.decoder = _Up(preset)

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Map the trunk's four maps to three, the last of them (B, embed, X / 2, Y / 2, Z / 2)."""
        return tuple(tokens.movedim(-1, 1) for tokens in self.decoder([each.movedim(1, -1) for each in maps]))


class _Down(nn.Module):
    """The trunk on tokens, channels last. What the released code never trains is a buffer here."""

    mask_token: Tensor
    position: Tensor

    def __init__(self, preset: NnFormerPreset, in_channels: int) -> None:
        super().__init__()
        grid = (side // _STRIDES[0] for side in preset.roi)
        self.register_buffer("mask_token", torch.zeros(1, 1, preset.embed))
        self.register_buffer("position", nn.init.trunc_normal_(torch.empty(1, preset.embed, *grid), std=0.02))
        self.patch_embed = PatchEmbedding(in_channels, preset.embed)
        self.layers = nn.ModuleList(_stages(preset))
        for index, channels in enumerate(_channels(preset)):
            self.add_module(f"norm{index}", nn.LayerNorm(channels))
        self.apply(_initialise)

    def forward(self, volume: Tensor) -> list[Tensor]:
        """Map (B, C, X, Y, Z) to four of (B, X / stride, Y / stride, Z / stride, C), fine to coarse."""
        tokens = self.patch_embed(volume)
        tokens = tokens + self._positions(tokens.shape[1:4])
        maps = []
        for index, stage in enumerate(self.layers):
            output, tokens = stage(tokens)
            maps.append(self.get_submodule(f"norm{index}")(output))
        return maps

    def _positions(self, grid: Sequence[int]) -> Tensor:
        """Return (1, X, Y, Z, C), the table resampled to another grid of tokens than that of the preset's `roi`."""
        table = self.position
        if table.shape[2:] != grid:
            table = functional.interpolate(table, tuple(grid), mode="trilinear")
        return table.movedim(1, -1)


class _Up(nn.Module):
    """The decoder on tokens, channels last; its layers are numbered from the finest.

    The rate of dropped paths grows evenly over its blocks, coarse to fine, from 0 to `drop_path`.
    """

    def __init__(self, preset: NnFormerPreset) -> None:
        super().__init__()
        levels = list(zip(_channels(preset)[:-1], preset.num_heads[:-1], _windows(preset)[:-1], strict=True))
        rates = torch.linspace(0, preset.drop_path, 2 * len(levels)).unflatten(0, (-1, 2)).flip(0).tolist()
        self.layers = nn.ModuleList(UpStage(*level, *pair) for level, pair in zip(levels, rates, strict=True))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Map four of (B, X / stride, Y / stride, Z / stride, C), fine to coarse, to three, coarse to fine."""
        *skips, tokens = maps
        decoded = []
        for layer, skip in zip(reversed(self.layers), reversed(skips), strict=True):
            tokens = layer(tokens, skip)
            decoded.append(tokens)
        return decoded


def _channels(preset: NnFormerPreset) -> tuple[int, ...]:
    return tuple(preset.embed * 2**stage for stage in range(len(_STRIDES)))


def _windows(preset: NnFormerPreset) -> tuple[int, ...]:
    """Return the window of each stage, no wider than the narrowest side of its tokens in a volume of `roi`."""
    narrowest = min(preset.roi)
    return tuple(min(window, narrowest // stride) for window, stride in zip(preset.windows, _STRIDES, strict=True))


def _stages(preset: NnFormerPreset) -> Iterator[Stage]:
    """Build the stages; the rate of dropped paths grows evenly from 0 in the first block to `drop_path` in the last."""
    rates = iter(torch.linspace(0, preset.drop_path, sum(preset.depths)).tolist())
    levels = zip(_channels(preset), preset.num_heads, _windows(preset), preset.depths, strict=True)
    for index, (dim, heads, window, depth) in enumerate(levels):
        yield Stage(dim, heads, window, [next(rates) for _ in range(depth)], is_last=index == len(_STRIDES) - 1)


def _initialise(module: nn.Module) -> None:
    """Draw linear weights from a normal distribution of deviation 0.02; their biases start at 0."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
