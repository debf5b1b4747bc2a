"""Backbone: the published artefact, by named parts. What a method pretrained is what a task finds."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from voxelbench.settings import AnyPreset

PARTS = ("trunk", "skips", "decoder")


class Encoder(nn.Module):
    """A feature pyramid. `channels` and `strides` describe its outputs, fine to coarse; `preset` is what built it."""

    preset: AnyPreset
    in_channels: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def forward(self, volume: Tensor) -> tuple[Tensor, ...]:
        """Map (B, C, X, Y, Z) to feature maps (B, channels[i], X / strides[i], ...), fine to coarse."""
        raise NotImplementedError


class Decoder(nn.Module):
    """The way back up. `channels` and `strides` describe its outputs, coarse to fine."""

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, ...]:
        """Map what the skips give (the trunk, if there are none) to maps (B, channels[i], ...), coarse to fine.

        `size` is X, Y, Z of the volume that was encoded.
        """
        raise NotImplementedError


class Pyramid(NamedTuple):
    """Both ways through a backbone: the trunk's maps, fine to coarse, and the decoder's, coarse to fine."""

    encoded: tuple[Tensor, ...]
    decoded: tuple[Tensor, ...]


class Backbone(nn.Module):
    """Trunk (the encoder), skips (between encoder and decoder) and decoder; parts that were not built are None.

    A family whose decoder reads the trunk's own maps has no skips. `rebuild` draws another backbone of the same preset
    and parts, with weights of its own.
    """

    def __init__(
        self,
        trunk: Encoder,
        skips: nn.Module | None = None,
        decoder: Decoder | None = None,
        *,
        rebuild: Callable[[], "Backbone"],
    ) -> None:
        super().__init__()
        self.rebuild = rebuild
        self.trunk = trunk
        self.skips = skips
        self.decoder = decoder

    def forward(self, volume: Tensor) -> Pyramid:
        """Encode (B, C, X, Y, Z) and decode it. Raises ValueError if the decoder was not built."""
        if self.decoder is None:
            raise ValueError("this backbone was built without a decoder; build it with the part 'decoder'")
        encoded = self.trunk(volume)
        maps = encoded if self.skips is None else self.skips(volume, encoded)
        return Pyramid(encoded, self.decoder(maps, volume.shape[2:]))

    def parts(self) -> dict[str, nn.Module]:
        """Return the parts that were built, by name."""
        named = {name: getattr(self, name) for name in PARTS}
        return {name: part for name, part in named.items() if part is not None}
