"""VoCo's student at the released size: names, shapes, and what it makes of a crop."""

import json
from pathlib import Path

import pytest
import torch

from voxelbench.config import read_encoder
from voxelbench.encoders.build import build
from voxelbench.methods.voco.method import Method
from voxelbench.resolve import method_config
from voxelbench.runs import MethodId


def released_method(merging, teacher):
    """Build VoCo at the released size."""
    config = method_config(MethodId.parse("voco"), "full", {"teacher": teacher})
    preset = read_encoder("swin48v2-legacy").model_copy(update={"merging": merging})
    return Method(build(preset, 1, Method.needs), config)


def released_name(name):
    """Translate a name of ours, such as `teacher.trunk.swinViT.x`, into `teacher.swinViT.x`."""
    branch = "teacher" if name.startswith("teacher.") else "student"
    name = name.removeprefix("teacher.").removeprefix("backbone.").removeprefix("trunk.").removeprefix("skips.")
    return f"{branch}.{name.replace('projector.', 'proj_head.')}"


def test_names_and_shapes(certify):
    expected = json.loads((Path(__file__).parent / "voco_param_shapes.json").read_text("utf-8"))
    method = released_method("legacy", "ema")
    for kind, named in (("parameters", method.named_parameters()), ("buffers", method.named_buffers())):
        ours = {released_name(name): list(tensor.shape) for name, tensor in named}
        assert ours == dict(expected[kind])

    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    counts = [
        count(method.backbone) + count(method.projector),
        count(method.backbone.trunk),
        count(method.projector),
    ]
    theirs = [expected[f"n_params_{part}"] for part in ("student", "swinViT", "proj")]
    certify("voco_param_shapes", "weights of student, trunk and projector", counts, theirs, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("merging", ["legacy", "fixed"])
def test_features_of_two_crops(golden, certify, fill_by_name, chirp, merging):
    array = "voco_encoder_probe_legacy_merging" if merging == "legacy" else "voco_encoder_probe"
    arrays = golden(array)
    method = released_method(merging, "none").eval()
    fill_by_name({released_name(name).removeprefix("student."): weight for name, weight in method.named_parameters()})
    crop = chirp((1, 64, 64, 64))
    crops = torch.stack([crop, crop.flip(1)])
    pooled = []
    method.projector.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    with torch.no_grad():
        maps = method.backbone.trunk(crops)
        method._describe(method._student(), crops[None])
    certify(array, "pooled skips", pooled[0], arrays["pooled"], atol=1e-3)
    for level, features in enumerate(maps):
        means, deviation = features.mean((2, 3, 4)), features.std()
        certify(array, "trunk's maps, channel means", means, arrays[f"hidden{level}_mean_c"], atol=1e-3)
        certify(array, "trunk's maps, standard deviation", deviation, arrays[f"hidden{level}_std"], atol=1e-3)
