"""What leaves voxelbench: a backbone as weights under their public names, beside a card that says what they are."""

import hashlib
import logging
from pathlib import Path

from safetensors.torch import save

from voxelbench import paths
from voxelbench.atomic import write_text, written_whole
from voxelbench.encoders.build import build
from voxelbench.encoders.export_card import render
from voxelbench.encoders.origin import origin
from voxelbench.encoders.publish import Published, read_published
from voxelbench.settings import SwinPreset

logger = logging.getLogger(__name__)


def export(weights: Path, folder: Path) -> None:
    """Write a published backbone, and its card, into `folder`.

    The names of the tensors are those of MONAI's SwinUNETR, or of the released code that the network comes from.

    Raises TrainingError if `weights` is damaged, no published backbone, or not of the run in whose folder it lies.
    """
    published = read_published(weights)
    facts = origin(weights, published)
    tensors = {key: tensor for part in published.backbone.parts().values() for key, tensor in part.state_dict().items()}
    content = save(tensors)
    if isinstance(published.encoder, SwinPreset):
        facts["merging"] = published.encoder.merging
    facts |= {
        "stem": {"in_channels": published.backbone.trunk.in_channels, "layers": stem(published)},
        "weights": {
            "file": paths.EXPORTED_WEIGHTS,
            "sha256": hashlib.sha256(content).hexdigest(),
            "n_tensors": len(tensors),
            "modules": list(dict.fromkeys(key.split(".", 1)[0] for key in tensors)),
        },
    }
    with written_whole(folder / paths.EXPORTED_WEIGHTS) as partial:
        partial.write_bytes(content)
    write_text(folder / paths.EXPORTED_CARD, render(facts, published.backbone))
    logger.info("wrote %s", folder)


def stem(published: Published) -> list[str]:
    """Return the weights that read the input: those whose shape depends on the number of its channels."""
    own = published.backbone
    other = build(published.encoder, own.trunk.in_channels + 1, own.parts())
    return [
        key
        for name, part in own.parts().items()
        for key, tensor in other.parts()[name].state_dict().items()
        if tensor.shape != part.state_dict()[key].shape
    ]
