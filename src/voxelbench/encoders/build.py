"""The one place that builds networks: from a preset and a number of input channels, part by part."""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from safetensors.torch import load_file
from torch import nn

from voxelbench.encoders.backbone import PARTS, Backbone, Decoder, Encoder
from voxelbench.encoders.description import read_description
from voxelbench.encoders.nnformer import NnFormerDecoder, NnFormerTrunk
from voxelbench.encoders.swin import SwinDecoder, SwinSkips, SwinTrunk
from voxelbench.encoders.unet import UNetDecoder, UNetTrunk
from voxelbench.errors import TrainingError
from voxelbench.settings import AnyPreset


class Family(NamedTuple):
    """The classes of one family of networks. One without skips has a decoder that reads the trunk's own maps."""

    trunk: Callable[[Any, int], Encoder]
    skips: Callable[[Any, int], nn.Module] | None
    decoder: Callable[[Any], Decoder]


FAMILIES = {
    "swin": Family(SwinTrunk, SwinSkips, SwinDecoder),
    "unet": Family(UNetTrunk, None, UNetDecoder),
    "nnformer": Family(NnFormerTrunk, None, NnFormerDecoder),
}


def build(preset: AnyPreset, in_channels: int, parts: Collection[str]) -> Backbone:
    """Build the asked parts of a backbone with torch's current random state.

    The trunk is always built, and first, so that its weights do not depend on the parts.
    """
    family = FAMILIES[preset.family]
    return Backbone(
        trunk=family.trunk(preset, in_channels),
        skips=family.skips(preset, in_channels) if family.skips and "skips" in parts else None,
        decoder=family.decoder(preset) if "decoder" in parts else None,
        rebuild=partial(build, preset, in_channels, parts),
    )


def load_pretrained(
    backbone: Backbone, weights: Path | None, stem: Literal["random", "inflate"] = "random"
) -> dict[str, str]:
    """Load published weights into the parts of `backbone`; every tensor of the file has to fit. None loads nothing.

    Where the number of input channels differs, the stem (each layer that reads the input) keeps its random start, or is
    inflated: the sum of the published channels, divided by the number of new ones, so that equal channels give what
    one gave. Returns, for each part, "pretrained", "pretrained, random stem", "pretrained, inflated stem" or
    "random". Raises TrainingError otherwise, and
    where a file names an encoder that computes something else, such as another patch merging.
    """
    if weights is None:
        return dict.fromkeys(backbone.parts(), "random")
    published = load_file(weights)
    origin = {}
    for name, part in backbone.parts().items():
        offered = {
            key.removeprefix(f"{name}."): tensor for key, tensor in published.items() if key.startswith(f"{name}.")
        }
        origin[name] = _load_part(part, offered, stem, f"{weights}: {name}") if offered else "random"
    left = sorted({key.split(".", 1)[0] for key in published} - set(PARTS))
    if left:
        raise TrainingError(
            f"{weights}: holds '{left[0]}', which is no part of a backbone; expected {', '.join(PARTS)}."
        )
    _check_computation(backbone.trunk.preset, weights)
    return origin


def _check_computation(preset: AnyPreset, weights: Path) -> None:
    """Raise TrainingError if the weights fit but were trained in an encoder that computes something else with them."""
    description = read_description(weights)
    if description is None:
        return
    stored = description.encoder.model_dump()
    for key, own in preset.model_dump(exclude={"name", "checkpointing"}).items():
        theirs = stored.get(key)
        if theirs != own:
            raise TrainingError(
                f"{weights}: was trained with `{key}: {theirs}`, the run's encoder {preset.name} has `{key}: {own}`; "
                f"name an encoder that agrees."
            )


def _load_part(part: nn.Module, offered: dict[str, torch.Tensor], stem: str, source: str) -> str:
    own = part.state_dict()
    missing = sorted(own.keys() ^ offered.keys())
    if missing:
        raise TrainingError(
            f"{source}: {len(missing)} tensors do not match the encoder preset, the first is {missing[0]}."
        )
    stems = {key for key in own if _is_stem(own[key], offered[key])}
    misfits = sorted(key for key in own if own[key].shape != offered[key].shape and key not in stems)
    if misfits:
        raise TrainingError(
            f"{source}.{misfits[0]} has shape {tuple(offered[misfits[0]].shape)}, "
            f"the preset builds {tuple(own[misfits[0]].shape)}; the run names another encoder."
        )
    starts = {key: own[key] if stem == "random" else _inflated(offered[key], own[key].shape[1]) for key in stems}
    part.load_state_dict({**offered, **starts}, strict=True)
    if not stems:
        return "pretrained"
    return "pretrained, random stem" if stem == "random" else "pretrained, inflated stem"


def _inflated(kernel: torch.Tensor, in_channels: int) -> torch.Tensor:
    """Return a kernel (C, in_channels, ...) whose channels are the sum of the given ones over their new number."""
    return kernel.sum(1, keepdim=True).expand(-1, in_channels, *kernel.shape[2:]) / in_channels


def _is_stem(own: torch.Tensor, offered: torch.Tensor) -> bool:
    """Tell whether two convolution kernels differ in nothing but their number of input channels."""
    return (
        own.dim() == 5
        and own.shape != offered.shape
        and own.shape[:1] + own.shape[2:] == offered.shape[:1] + offered.shape[2:]
    )
