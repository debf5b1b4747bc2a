"""The card of exported weights: facts as YAML front matter, and the lines that load the weights into MONAI."""

import json
from typing import Any

import yaml

from voxelbench.settings import EncoderPreset

_CARD = """\
---
{facts}---
# {title}

{synthetic}{n_tensors} tensors of MONAI's `SwinUNETR`, in {modules}.
The rest of the network starts at random. All that is known of the weights is above.

## Load

With `out_channels` of your own, in the folder of this file:

```python
{code}
```

- Volumes are (B, C, X, Y, Z), with axes to the right, anterior, superior.{preparation}
- {merging}
- The stem reads {in_channels} channel(s): {stem}.
  For another number, leave these weights out of what is loaded; they start at random.
"""

_MERGING = {
    "legacy": "Patch merging is that of MONAI before 1.5. Later ones by default load the weights without a word and "
    "compute other features.",
    "fixed": "Patch merging is that of MONAI 1.5 and later. Older ones load the weights without a word and compute "
    "other features.",
}
_PREPARATION = " They are scaled and cropped as `preparation` says."
_SYNTHETIC = (
    "**PHANTOM: pretrained on synthetic volumes. The weights show that the pipeline runs, and nothing else.**\n\n"
)


def render(facts: dict[str, Any], encoder: EncoderPreset) -> str:
    """Return the card as Markdown."""
    weights, stem = facts["weights"], facts["stem"]
    return _CARD.format(
        facts=yaml.safe_dump(facts, sort_keys=False, width=120),
        title=_title(facts),
        synthetic=_SYNTHETIC if facts.get("data") == "phantom" else "",
        n_tensors=weights["n_tensors"],
        modules=", ".join(f"`{module}`" for module in weights["modules"]),
        preparation=_PREPARATION if "preparation" in facts else "",
        code=_code(encoder, stem["in_channels"], weights["file"], weights["modules"]),
        merging=_MERGING[encoder.merging],
        stem=", ".join(f"`{layer}`" for layer in stem["layers"]),
        in_channels=stem["in_channels"],
    )


def _title(facts: dict[str, Any]) -> str:
    name = ".".join(facts[key] for key in ("method", "variant", "ablation") if facts.get(key)) or "Unknown method"
    return f"{name}, pretrained on {facts['corpus']}" if "corpus" in facts else f"{name}, imported"


def _code(encoder: EncoderPreset, in_channels: int, file: str, modules: list[str]) -> str:
    """Return Python that builds the network, loads the weights and checks that every one of them arrived."""
    is_legacy = encoder.merging == "legacy"
    arguments = {
        "in_channels": in_channels,
        "out_channels": 2,
        "patch_size": encoder.patch_size,
        "depths": encoder.depths,
        "num_heads": encoder.num_heads,
        "window_size": encoder.window_size,
        "feature_size": encoder.feature_size,
        "use_v2": encoder.use_v2,
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
