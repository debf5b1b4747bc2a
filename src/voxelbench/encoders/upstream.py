"""Checkpoints that the authors of a method released, turned into a published backbone: every tensor, or none.

Upstream loaders match by name and skip what does not match, so a prefix more in a checkpoint and training starts from
random weights without a word. Here the matches are counted.
"""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import torch
from torch import Tensor

from voxelbench.encoders.backbone import Backbone
from voxelbench.encoders.build import build
from voxelbench.encoders.publish import publish
from voxelbench.encoders.tensors import read_tensors
from voxelbench.errors import ConfigError, TrainingError, nearest
from voxelbench.settings import AnyPreset, SwinPreset

logger = logging.getLogger(__name__)

BRANCHES = ("student", "teacher")
_WRAPPERS = {
    "state_dict",
    "model_state_dict",
    "net",
    "network_weights",
    "model",
    "network",
    "module",
    "backbone",
    "unet",
}
_RENAMED = {"swin_vit": "swinViT"}  # the loaders of the three methods with a Swin encoder accept both
_POSITION_INDEX = "relative_position_index"
_SEED = 0
"""Of the weights that no released checkpoint holds."""


@dataclass(frozen=True)
class Layout:
    """What a method's checkpoints hold of a backbone: which parts, in how many tensors.

    `encoder` is the preset that the authors trained, `branch` the network to take of a student and its teacher.
    `unsaved` are the tensors that the authors' network computes with and their checkpoints lack.
    """

    parts: tuple[str, ...]
    n_tensors: int
    encoder: str
    branch: str = ""
    unsaved: frozenset[str] = frozenset()


LAYOUTS = {
    # 126 parameters and 8 position indices of swinViT. S2DC's finetuning drops the teacher.
    "s2dc": Layout(("trunk",), 134, "swin48v2-legacy", "student"),
    # The same and 11 of encoder1, 2, 3, 4 and 10. VoCo-10k was released without a branch; its EMA is the teacher.
    "voco": Layout(("trunk", "skips"), 145, "swin48v2-legacy", "teacher"),
    # 118 parameters and 8 position indices of a swinViT without the residual convolutions.
    "swinmm": Layout(("trunk",), 126, "swin48v1-legacy"),
    # All of the U-Net: below `unet.` in the 104 tensors of the pretraining network, or alone.
    "gvsl": Layout(("trunk", "decoder"), 72, "gvsl-unet"),
    # 245 of the nnFormer's 251: the others are its heads `final.*`. Its table of positions is in no state dict, and
    # student and teacher each draw their own.
    "alice": Layout(("trunk", "decoder"), 245, "alice-nnformer", "student", unsaved=frozenset({"model_down.position"})),
}


def layout(method: str) -> Layout:
    """Return the layout of a method's checkpoints. Raises ConfigError, naming the nearest, if none is known."""
    if method not in LAYOUTS:
        raise ConfigError(f"The layout of released checkpoints of '{method}' is not known.{nearest(method, LAYOUTS)}")
    return LAYOUTS[method]


def import_weights(method: str, checkpoint: Path, preset: AnyPreset, path: Path, branch: str = "") -> None:
    """Write the backbone that an upstream checkpoint holds, in the format of our own.

    Args:
        branch: "student" or "teacher"; by default the one that the method's authors finetune.

    Raises:
        ConfigError: the preset builds another number of tensors than the method's encoder has.
        TrainingError: the file is unsafe or damaged, lacks a tensor, or one does not fit.
    """
    expected, branch = layout(method), branch or layout(method).branch
    backbone = _draw(preset, expected.parts)
    own = {key: tensor for part in backbone.parts().values() for key, tensor in part.state_dict().items()}
    _check_preset(preset, len(own.keys() - expected.unsaved), method)
    found, stored = _select(read_tensors(checkpoint), branch, checkpoint)
    drawn = sorted(expected.unsaved - stored.keys())
    wanted = {key: tensor for key, tensor in own.items() if key not in drawn}
    _check_complete(stored, wanted, checkpoint, method)
    _check_fit(stored, wanted, checkpoint, preset)
    for part in backbone.parts().values():
        part.load_state_dict({key: stored.get(key, own[key]) for key in part.state_dict()}, strict=True)
    source = {"method": method, "checkpoint": checkpoint.name, "sha256": _sha256(checkpoint), "branch": found}
    publish(backbone, path, source | _report(drawn, checkpoint))
    logger.info("wrote %s: all %d tensors of %s", path, len(wanted), " and ".join(expected.parts))
    left = [key for key in stored if key not in wanted]
    if left:
        logger.info("left behind: %d tensors that are no part of the backbone, the first is %s", len(left), left[0])


def _draw(preset: AnyPreset, parts: tuple[str, ...]) -> Backbone:
    """Build a backbone of one input channel, always with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        return build(preset, 1, parts)


def _sha256(checkpoint: Path) -> str:
    with checkpoint.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _report(drawn: list[str], checkpoint: Path) -> dict[str, str | int]:
    """Return what the source of a backbone says of tensors that its checkpoint lacks, after a warning."""
    if not drawn:
        return {}
    logger.warning(
        "%s lacks %s, which the released code draws anew for each network and never saves; it was drawn from seed %d "
        "and kept in the backbone, so its features are not those that the authors trained.",
        *(checkpoint, ", ".join(drawn), _SEED),
    )
    return {"drawn": ", ".join(drawn), "drawn_seed": _SEED}


def _check_preset(preset: AnyPreset, n_tensors: int, method: str) -> None:
    expected = layout(method)
    if n_tensors != expected.n_tensors:
        raise ConfigError(
            f"encoder {preset.name} builds {n_tensors} tensors in {' and '.join(expected.parts)}, the checkpoints of "
            f"{method} hold {expected.n_tensors}; add `--encoder {expected.encoder}`."
        )
    if isinstance(preset, SwinPreset) and preset.merging != "legacy":
        logger.warning(
            "encoder %s merges patches as MONAI since 1.5, and the released weights of %s were trained as before it: "
            "they load and compute other features.",
            *(preset.name, method),
        )


def _select(tensors: Mapping[str, Tensor], branch: str, checkpoint: Path) -> tuple[str, dict[str, Tensor]]:
    """Return a branch and its tensors under our names; "" and those of no branch if that one is absent."""
    branches: dict[str, dict[str, str]] = defaultdict(dict)
    for stored in tensors:
        found, name = _split(stored)
        other = branches[found].setdefault(name, stored)
        if other != stored:
            raise TrainingError(f"{checkpoint}: holds {name} twice, as {other} and {stored}; save one of them alone.")
    chosen = branch if branch in branches else ""
    return chosen, {name: tensors[stored] for name, stored in branches[chosen].items()}


def _split(stored: str) -> tuple[str, str]:
    """Split a stored name into its branch, or "", and our name."""
    words = stored.split(".")
    prefix = list(takewhile(lambda word: word in _WRAPPERS or word in BRANCHES, words))
    branch = next((word for word in prefix if word in BRANCHES), "")
    return branch, ".".join(_RENAMED.get(word, word) for word in words[len(prefix) :])


def _check_complete(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor], checkpoint: Path, method: str) -> None:
    missing = [key for key in wanted if key not in stored]
    if missing:
        holds = f"it holds {next(iter(stored))}" if stored else "it holds none of that branch"
        raise TrainingError(
            f"{checkpoint}: found {len(wanted) - len(missing)} of {len(wanted)} tensors of {method}, the first missing "
            f"is {missing[0]} ({holds}); name a checkpoint of its pretraining, or the other `--branch`."
        )


def _check_fit(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor], checkpoint: Path, preset: AnyPreset) -> None:
    for key, own in wanted.items():
        if stored[key].shape != own.shape:
            raise TrainingError(
                f"{checkpoint}: {key} has shape {tuple(stored[key].shape)}, encoder {preset.name} builds "
                f"{tuple(own.shape)}; name the encoder that was pretrained with `--encoder`."
            )
        if key.endswith(_POSITION_INDEX) and not torch.equal(stored[key].to(own.dtype), own):
            raise TrainingError(
                f"{checkpoint}: {key} differs from ours, so its attention counts positions in another order; "
                "such weights cannot be used."
            )
