"""SwinMM's network at the released size: names, shapes, decay, and its outputs with both kinds of patch merging."""

import json
from pathlib import Path

import pytest
import torch

from voxelbench.config import read_encoder
from voxelbench.encoders.build import build
from voxelbench.methods.swinmm.method import Method
from voxelbench.resolve import method_config
from voxelbench.runs import MethodId

TOLERANCE = 1e-3
RELEASED = json.loads(Path(__file__).with_name("swinmm_param_shapes.json").read_text())
NAMES = {"backbone.trunk.": "", "decoder.": "conv."}


def make_method(merging="legacy"):
    preset = read_encoder("swin48v1-legacy").model_copy(update={"merging": merging})
    return Method(build(preset, 1, Method.needs), method_config(MethodId.parse("swinmm"), "full"))


def released_name(name):
    for ours, theirs in NAMES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


@pytest.fixture(scope="module")
def method():
    return make_method()


def test_parameters_have_the_released_names_and_shapes(method):
    ours = {released_name(name): list(parameter.shape) for name, parameter in method.named_parameters()}
    assert ours == dict(RELEASED["parameters"])
    assert sum(parameter.numel() for parameter in method.parameters()) == RELEASED["n_params"]
    assert sum(parameter.numel() for parameter in method.backbone.parameters()) == RELEASED["n_params_swinViT"]


def test_tables_biases_and_vectors_do_not_decay(method):
    decayed, free = (set(group.parameters) for group in method.parameter_groups())
    assert not decayed & free and len(decayed | free) == len(RELEASED["parameters"])
    excluded = {
        parameter
        for name, parameter in method.named_parameters()
        if parameter.dim() <= 1 or released_name(name) in RELEASED["no_weight_decay"]
    }
    assert free == excluded


@pytest.mark.slow
@pytest.mark.parametrize(
    ("merging", "array"), [("fixed", "swinmm_encoder_probe"), ("legacy", "swinmm_encoder_probe_legacy_merging")]
)
def test_outputs(golden, certify, fill_by_name, chirp, merging, array):
    arrays, method = golden(array), make_method(merging).eval()
    fill_by_name({released_name(name): weight for name, weight in method.named_parameters()})
    crops = chirp((2, 1, 64, 64, 64))
    with torch.no_grad():
        features, prediction = method.backbone.trunk(crops), method.network(crops)
    for level, feature in enumerate(features):
        certify(array, f"map {level}", feature.mean((2, 3, 4)), arrays[f"hidden{level}_mean_c"], atol=TOLERANCE)
    certify(array, "rotation head", prediction.turn, arrays["rot"], atol=TOLERANCE)
    certify(array, "contrastive head", prediction.embedding, arrays["contrast"], atol=TOLERANCE)
    certify(array, "decoder", prediction.crops[:, :, ::8, ::8, ::8], arrays["rec_sub"], atol=TOLERANCE)
    certify(array, "decoder, mean", prediction.crops.mean((1, 2, 3, 4)), arrays["rec_mean"], atol=TOLERANCE)
    certify(array, "decoder, standard deviation", prediction.crops.std(), arrays["rec_std"], atol=TOLERANCE)
