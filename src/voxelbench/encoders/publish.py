"""The published artefact as a file: the tensors of each part, and the preset that builds them."""

import json
from pathlib import Path

from safetensors.torch import save

from voxelbench.atomic import written_whole
from voxelbench.encoders.backbone import Backbone
from voxelbench.settings import EncoderPreset


def publish(backbone: Backbone, encoder: EncoderPreset, path: Path) -> None:
    """Write the parts of a backbone with the preset that builds them, whole or not at all."""
    tensors = {
        f"{name}.{key}": tensor.detach().cpu().contiguous()
        for name, part in backbone.parts().items()
        for key, tensor in part.state_dict().items()
    }
    metadata = {"encoder": json.dumps(encoder.model_dump(mode="json"), sort_keys=True)}
    with written_whole(path) as partial:
        partial.write_bytes(save(tensors, metadata=metadata))
