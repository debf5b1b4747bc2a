"""VoCo's student at the released size: names, shapes, and what it makes of a crop."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from voxelbench import resolve
from voxelbench.config import read_encoder
from voxelbench.encoders.build import build
from voxelbench.methods.voco.method import Config, Method
from voxelbench.runs import MethodId
from voxelbench.validation import parse


def released_method(merging, teacher):
    """Build VoCo at the released size."""
    settings = resolve.merge(resolve.method_settings(MethodId.parse("voco"), "full"), {"teacher": teacher})
    preset = read_encoder("swin48v2-legacy").model_copy(update={"merging": merging})
    return Method(build(preset, 1, Method.needs), parse(Config, settings, "test"))


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


def fill(method):
    """Give each weight values that follow from the rank of its released name among all."""
    named = {released_name(name).removeprefix("student."): weight for name, weight in method.named_parameters()}
    for rank, (name, weight) in enumerate(sorted(named.items())):
        wave = np.sin(0.37 * np.arange(weight.numel()) + rank).reshape(weight.shape)
        if weight.dim() == 1:
            values = 1 + 0.05 * wave if name.endswith("weight") else 0.02 * wave
        else:
            values = wave * np.sqrt(2 / weight[0].numel())
        weight.data.copy_(torch.from_numpy(values))


def probe():
    """Two crops (2, 1, 64, 64, 64), the second the first flipped along X."""
    n = np.arange(64**3, dtype=np.float64)
    crop = (0.5 + 0.5 * np.sin(0.013 * n + 0.00017 * n**1.5)).reshape(64, 64, 64)
    return torch.from_numpy(np.stack([crop, crop[::-1]])[:, None].astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("merging", ["legacy", "fixed"])
def test_features_of_two_crops(golden, certify, merging):
    array = "voco_encoder_probe_legacy_merging" if merging == "legacy" else "voco_encoder_probe"
    arrays = golden(array)
    method = released_method(merging, "none").eval()
    fill(method)
    pooled = []
    method.projector.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    with torch.no_grad():
        maps = method.backbone.trunk(probe())
        method._describe(method._student(), probe()[None])
    certify(array, "pooled skips", pooled[0], arrays["pooled"], atol=1e-3)
    for level, features in enumerate(maps):
        means, deviation = features.mean((2, 3, 4)), features.std()
        certify(array, "trunk's maps, channel means", means, arrays[f"hidden{level}_mean_c"], atol=1e-3)
        certify(array, "trunk's maps, standard deviation", deviation, arrays[f"hidden{level}_std"], atol=1e-3)
