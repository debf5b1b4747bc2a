"""The published artefact as a file: the tensors of each part, and the preset that builds them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from voxelbench.atomic import written_whole
from voxelbench.encoders.backbone import Backbone
from voxelbench.encoders.build import build, load_pretrained
from voxelbench.errors import TrainingError
from voxelbench.settings import EncoderPreset
from voxelbench.validation import parse

Source = Mapping[str, str | int]
"""Where imported weights come from; empty for weights of our own runs."""

# One key for all: safetensors writes several in any order, and equal backbones shall be equal bytes.
_METADATA = "backbone"


@dataclass(frozen=True)
class Published:
    """A backbone as it was read from its file, with the preset that builds it."""

    backbone: Backbone
    encoder: EncoderPreset
    source: Source = field(default_factory=dict)


def publish(backbone: Backbone, encoder: EncoderPreset, path: Path, source: Source | None = None) -> None:
    """Write the parts of a backbone with the preset that builds them, whole or not at all."""
    tensors = {
        f"{name}.{key}": tensor.detach().cpu().contiguous()
        for name, part in backbone.parts().items()
        for key, tensor in part.state_dict().items()
    }
    description = {
        "encoder": encoder.model_dump(mode="json"),
        "in_channels": backbone.trunk.in_channels,
        "source": dict(source or {}),
    }
    metadata = {_METADATA: json.dumps(description, sort_keys=True)}
    with written_whole(path) as partial:
        partial.write_bytes(save(tensors, metadata=metadata))


def read_published(path: Path) -> Published:
    """Build the backbone of a published file and load every tensor of it.

    Raises TrainingError if the file is damaged, or was not written by `publish`.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata, keys = file.metadata() or {}, list(file.keys())
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); name a backbone that a pretraining wrote.") from None
    if _METADATA not in metadata:
        raise TrainingError(
            f"{path}: does not say which encoder it is of, so it is no published backbone; "
            "bring weights from elsewhere in with `voxelbench import-weights`."
        )
    description = json.loads(metadata[_METADATA])
    encoder = parse(EncoderPreset, description["encoder"], str(path))
    backbone = build(encoder, description["in_channels"], {key.split(".", 1)[0] for key in keys})
    load_pretrained(backbone, path)
    return Published(backbone, encoder, description["source"])
