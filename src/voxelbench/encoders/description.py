"""What a file of published weights says of itself, in its metadata."""

from pathlib import Path

from pydantic import Field
from safetensors import SafetensorError, safe_open

from voxelbench.errors import TrainingError
from voxelbench.settings import AnyPreset
from voxelbench.validation import Strict

# One key for all: safetensors writes several in any order, and equal backbones shall be equal bytes.
_KEY = "backbone"


class Description(Strict):
    """The preset that builds the backbone, its input channels, and where imported weights come from."""

    encoder: AnyPreset
    in_channels: int
    source: dict[str, str | int] = Field(default_factory=dict)

    def metadata(self) -> dict[str, str]:
        """Return it as safetensors keeps it."""
        return {_KEY: self.model_dump_json()}


def read_description(path: Path) -> Description | None:
    """Read the description of a file of weights; None if it has none. Raises TrainingError for a damaged file."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); name a backbone that a pretraining wrote.") from None
    return Description.model_validate_json(metadata[_KEY]) if _KEY in metadata else None
