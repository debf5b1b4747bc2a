"""The published artefact as a file: the tensors of each part, and the preset that builds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save

from voxelbench.atomic import written_whole
from voxelbench.encoders.backbone import Backbone
from voxelbench.encoders.build import build, load_pretrained
from voxelbench.encoders.description import Description, read_description
from voxelbench.errors import TrainingError
from voxelbench.settings import AnyPreset

Source = Mapping[str, str | int]
"""Where imported weights come from; empty for weights of our own runs."""


@dataclass(frozen=True)
class Published:
    """A backbone as it was read from its file."""

    backbone: Backbone
    source: Source

    @property
    def encoder(self) -> AnyPreset:
        """The preset that builds the backbone."""
        return self.backbone.trunk.preset


def publish(backbone: Backbone, path: Path, source: Source | None = None) -> None:
    """Write the parts of a backbone with the preset that builds them, whole or not at all."""
    tensors = {
        f"{name}.{key}": tensor.detach().cpu().contiguous()
        for name, part in backbone.parts().items()
        for key, tensor in part.state_dict().items()
    }
    trunk = backbone.trunk
    description = Description(encoder=trunk.preset, in_channels=trunk.in_channels, source=dict(source or {}))
    with written_whole(path) as partial:
        partial.write_bytes(save(tensors, metadata=description.metadata()))


def read_published(path: Path) -> Published:
    """Build the backbone of a published file and load every tensor of it.

    Raises TrainingError if the file is damaged, or was not written by `publish`.
    """
    description = read_description(path)
    if description is None:
        raise TrainingError(
            f"{path}: does not say which encoder it is of, so it is no published backbone; "
            "bring weights from elsewhere in with `voxelbench import-weights`."
        )
    with safe_open(path, "pt") as file:
        parts = {key.split(".", 1)[0] for key in file.keys()}  # noqa: SIM118
    backbone = build(description.encoder, description.in_channels, parts)
    load_pretrained(backbone, path)
    return Published(backbone, description.source)
