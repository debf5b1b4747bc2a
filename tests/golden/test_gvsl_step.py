"""GVSL's heads, and one whole step at the released size: outputs, terms, and who gets a gradient."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from voxelbench.config import read_encoder
from voxelbench.encoders.build import build
from voxelbench.methods.gvsl import losses
from voxelbench.methods.gvsl.heads import AffineHead
from voxelbench.methods.gvsl.method import Method
from voxelbench.methods.gvsl.registration import Features
from voxelbench.resolve import method_config
from voxelbench.runs import MethodId
from voxelbench.training.loop import weighted_sum

HERE = Path(__file__).parent
STEP, CENSUS, SHAPES = "gvsl_full_step", "gvsl_full_step_gradients", "gvsl_full_state_shapes"
RELEASED = {
    "backbone.trunk.": "unet.",
    "backbone.decoder.": "unet.",
    "registration.affine_head.block.": "f_conv.",
    "registration.affine_head.rotation.": "fc_rot.",
    "registration.affine_head.scale.": "fc_scl.",
    "registration.affine_head.translation.": "fc_trans.",
    "registration.affine_head.shear.": "fc_shear.",
    "registration.flow_head.block.": "sp_conv.",
    "registration.flow_head.flow.": "out_flow.",
    "registration.restoration_head.": "res_conv.",
}


def read_json(name, folder=HERE):
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


def released_name(name):
    """Translate a name of ours, such as `backbone.trunk.inc.x`, into `unet.inc.x`."""
    (prefix,) = (prefix for prefix in RELEASED if name.startswith(prefix))
    return RELEASED[prefix] + name.removeprefix(prefix)


def uniform(position, size):
    return np.random.default_rng(position).uniform(-1, 1, size)


@pytest.fixture(scope="module")
def method():
    """GVSL on its own U-Net, at the released size."""
    return Method(build(read_encoder("gvsl-unet"), 1, Method.needs), method_config(MethodId.parse("gvsl"), "full"))


def test_names_and_shapes(certify, method):
    expected = dict(read_json(SHAPES))
    assert {released_name(name): list(tensor.shape) for name, tensor in method.named_parameters()} == expected
    count = sum(parameter.numel() for parameter in method.parameters())
    theirs = sum(int(np.prod(shape)) for shape in expected.values())
    certify(SHAPES, "parameters of the whole model", count, theirs, atol=0)


class FirstChannels(nn.Module):
    """A stand-in for the affine head's block, which leaves as many channels as the head reads."""

    def __init__(self, n_channels):
        super().__init__()
        self.n_channels = n_channels

    def forward(self, x):
        return x[:, : self.n_channels]


def test_affine_head(golden, certify):
    arrays = {key: torch.from_numpy(np.asarray(array)) for key, array in golden("gvsl_affine_head").items()}
    head = AffineHead(arrays["moving_global"].shape[1])
    head.block = FirstChannels(arrays["pooled"].shape[1])
    for layer, key in ((head.rotation, "rot"), (head.scale, "scl"), (head.translation, "trans"), (head.shear, "shear")):
        layer.load_state_dict({"weight": arrays[f"fc_{key}_w"], "bias": arrays[f"fc_{key}_b"]})
        raw = layer(arrays["pooled"])
        certify("gvsl_affine_head", "linear layers", raw, arrays[f"fc_{key}_raw"], atol=1e-4)
    matrix = head(arrays["moving_global"], arrays["fixed_global"])
    certify("gvsl_affine_head", "limited values as a matrix", matrix, arrays["mat"], scaled=1e-5)


def test_step(golden, certify, method, fill_by_position):
    arrays = {key: torch.from_numpy(np.asarray(array)) for key, array in golden(STEP).items()}
    named = {released_name(name): parameter for name, parameter in method.named_parameters()}
    fill_by_position({name: named[name] for name, _ in read_json(SHAPES)}, uniform)
    # The arrays go through the network as they are, so that their axes need no turn here.
    of_moving, of_damaged = (features(method.backbone(arrays[key])) for key in ("B", "A_aug"))
    prediction = method.registration(of_moving, of_damaged, arrays["B"])
    for ours, key in zip(prediction, ("restored", "warped", "affine", "flow"), strict=True):
        atol = 1e-4 * float(arrays[key].abs().max())
        certify(STEP, key, ours, arrays[key], atol=atol)

    terms = {
        "ncc": losses.ncc(prediction.warped, arrays["A"]),
        "restoration": losses.restoration(prediction.restored, arrays["A"]),
        "smooth": losses.smoothness(prediction.flow),
    }
    for (name, term), key in zip(terms.items(), ("loss_ncc", "loss_mse", "loss_smooth"), strict=True):
        certify(STEP, f"term {name}", term, arrays[key], atol=1e-4)
    total = weighted_sum(terms, method.config.loss_weights)
    certify(STEP, "total", total, arrays["loss_total"], atol=1e-4)

    total.backward()
    census = Path(os.environ.get("VOXELBENCH_GOLDEN") or HERE) / f"{CENSUS}.json"
    if census.is_file():  # other draws of the arrays may come without it
        check_gradients(certify, named, json.loads(census.read_text()))


def features(pyramid):
    return Features(pyramid.encoded[-1], pyramid.decoded[-1])


def check_gradients(certify, named, census):
    assert {name for name, weight in named.items() if weight.grad is None} == set(census["no_grad"])
    norms = {name: norm for name, norm in census["grad_norm"].items() if norm is not None}
    ratios = [named[name].grad.norm().item() / norm for name, norm in norms.items()]
    certify(CENSUS, "norm of each gradient over the released one", ratios, np.ones(len(ratios)), atol=0.01)
