"""Backbone: the published artefact, by named parts. What a method pretrained is what a task finds."""

from collections.abc import Callable

from torch import Tensor, nn

from voxelbench.settings import EncoderPreset

PARTS = ("trunk", "skips", "decoder")


class Encoder(nn.Module):
    """A feature pyramid. `channels` and `strides` describe its outputs, fine to coarse; `preset` is what built it."""

    preset: EncoderPreset
    in_channels: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def forward(self, volume: Tensor) -> tuple[Tensor, ...]:
        """Map (B, C, X, Y, Z) to feature maps (B, channels[i], X / strides[i], ...), fine to coarse."""
        raise NotImplementedError


class Backbone(nn.Module):
    """Trunk (the encoder), skips (between encoder and decoder) and decoder; parts that were not built are None.

    `rebuild` draws another backbone of the same preset and parts, with weights of its own.
    """

    def __init__(
        self,
        trunk: Encoder,
        skips: nn.Module | None = None,
        decoder: nn.Module | None = None,
        *,
        rebuild: Callable[[], "Backbone"],
    ) -> None:
        super().__init__()
        self.rebuild = rebuild
        self.trunk = trunk
        self.skips = skips
        self.decoder = decoder

    def parts(self) -> dict[str, nn.Module]:
        """Return the parts that were built, by name."""
        named = {name: getattr(self, name) for name in PARTS}
        return {name: part for name, part in named.items() if part is not None}
