"""The card of exported weights: facts as YAML front matter, and the lines that load the weights."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from voxelbench.encoders.backbone import Backbone
from voxelbench.settings import SwinPreset

_CARD = """\
---
{facts}---
# {title}

{synthetic}{n_tensors} tensors of {network}, in {modules}.
The rest of the network starts at random. All that is known of the weights is above.

## Load

{where}:

```python
{code}
```

- Volumes are (B, C, X, Y, Z), with axes to the right, anterior, superior.{preparation}
- {note}
- The stem reads {in_channels} channel(s): {stem}.
  For another number, leave these weights out of what is loaded; they start at random.
"""

_PREPARATION = " They are scaled and cropped as `preparation` says."
_SYNTHETIC = (
    "**PHANTOM: pretrained on synthetic volumes. The weights show that the pipeline runs, and nothing else.**\n\n"
)


class _Loading(NamedTuple):
    """What the card says of a family: whose network it is, how its weights are loaded, and what to mind."""

    network: str
    where: str
    code: str
    note: str


_MERGING = {
    "legacy": "Patch merging is that of MONAI before 1.5. Later ones by default load the weights without a word and "
    "compute other features.",
    "fixed": "Patch merging is that of MONAI 1.5 and later. Older ones load the weights without a word and compute "
    "other features.",
}
_RELEASED = {"unet": "the U-Net of GVSL", "nnformer": "the nnFormer of Alice"}
_NOTES = {
    "unet": "Volumes whose axes are no multiples of 16 voxels are padded with zeros; all maps but the decoder's last "
    "keep the padding.",
    "nnformer": "The table of positions, `model_down.position`, is no tensor of the released network, which "
    "draws its own and then computes other features: copy it there by hand.",
}


def render(facts: dict[str, Any], backbone: Backbone) -> str:
    """Return the card as Markdown."""
    weights, stem = facts["weights"], facts["stem"]
    return _CARD.format(
        facts=yaml.safe_dump(facts, sort_keys=False, width=120),
        title=_title(facts),
        synthetic=_SYNTHETIC if facts.get("data") == "phantom" else "",
        n_tensors=weights["n_tensors"],
        modules=_listed(weights["modules"]),
        preparation=_PREPARATION if "preparation" in facts else "",
        stem=_listed(stem["layers"]),
        in_channels=stem["in_channels"],
        **_loading(backbone, weights)._asdict(),
    )


def _loading(backbone: Backbone, weights: dict[str, Any]) -> _Loading:
    preset = backbone.trunk.preset
    if isinstance(preset, SwinPreset):
        return _Loading(
            network="MONAI's `SwinUNETR`",
            where="With `out_channels` of your own, in the folder of this file",
            code=_monai_code(preset, backbone.trunk.in_channels, weights["file"], weights["modules"]),
            note=_MERGING[preset.merging],
        )
    return _Loading(
        network=f"{_RELEASED[preset.family]}, under the names of its released code",
        where="In the folder of this file, with voxelbench installed",
        code=_own_code(backbone, weights["file"]),
        note=_NOTES[preset.family],
    )


def _title(facts: dict[str, Any]) -> str:
    name = ".".join(facts[key] for key in ("method", "variant", "ablation") if facts.get(key)) or "Unknown method"
    return f"{name}, pretrained on {facts['corpus']}" if "corpus" in facts else f"{name}, imported"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _monai_code(preset: SwinPreset, in_channels: int, file: str, modules: list[str]) -> str:
    """Return Python that builds MONAI's network, loads the weights and checks that every one of them arrived."""
    is_legacy = preset.merging == "legacy"
    arguments = {
        "in_channels": in_channels,
        "out_channels": 2,
        "patch_size": preset.patch_size,
        "depths": preset.depths,
        "num_heads": preset.num_heads,
        "window_size": preset.window_size,
        "feature_size": preset.feature_size,
        "use_v2": preset.use_v2,
    }
    lines = [
        "from monai.networks.nets import SwinUNETR",
        "from safetensors.torch import load_file",
        *(["from voxelbench.encoders.swin import LegacyPatchMerging"] if is_legacy else []),
        "",
        "model = SwinUNETR(",
        *(f"    {name}={value}," for name, value in arguments.items()),
        f"    downsample={'LegacyPatchMerging' if is_legacy else repr('merging')},",
        ")",
        f'missing, unexpected = model.load_state_dict(load_file("{file}"), strict=False)',
        f'assert not unexpected and {{name.split(".")[0] for name in missing}}.isdisjoint({json.dumps(modules)})',
    ]
    return "\n".join(lines)


def _own_code(backbone: Backbone, file: str) -> str:
    """Return Python that builds our own network, loads the weights and checks that every one of them arrived."""
    preset = backbone.trunk.preset
    kind = type(preset).__name__
    lines = [
        "from safetensors.torch import load_file",
        "from voxelbench.encoders.build import build",
        f"from voxelbench.settings import {kind}",
        "",
        f"preset = {kind}(",
        *(f"    {name}={value!r}," for name, value in preset.model_dump().items()),
        ")",
        f"model = build(preset, in_channels={backbone.trunk.in_channels}, parts={list(backbone.parts())})",
        f'weights = load_file("{file}")',
        "for part in model.parts().values():",
        "    part.load_state_dict({name: weights.pop(name) for name in part.state_dict()})",
        "assert not weights",
    ]
    return "\n".join(lines)
