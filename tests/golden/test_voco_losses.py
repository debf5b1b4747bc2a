"""VoCo's loss terms and a whole step of student and teacher against the released code."""

import pytest
import torch
from torch import nn

from voxelbench.encoders.backbone import Backbone, Encoder
from voxelbench.method import Progress
from voxelbench.methods.voco import losses
from voxelbench.methods.voco.method import Method
from voxelbench.nn.heads import ProjectionHead
from voxelbench.resolve import method_config
from voxelbench.runs import MethodId
from voxelbench.training.loop import weighted_sum

SINGLE = 1e-5  # the arrays are single precision


def volume(array, *, gradient=False):
    """Add the axis of volumes."""
    return torch.from_numpy(array.copy())[None].requires_grad_(gradient)


def test_similarity(golden, certify):
    arrays = golden("voco_losses")
    ours = losses.relu_cosine(volume(arrays["feats"]), volume(arrays["bases"]))[0]
    certify("voco_losses", "similarity, max(0, cos)", ours, arrays["logits"], atol=SINGLE)


@pytest.mark.parametrize(("term", "name"), [(losses.positive, "pos"), (losses.negative, "neg")])
def test_terms_of_overlap_and_their_gradients(golden, certify, term, name):
    arrays = golden("voco_losses")
    similarity = volume(arrays["logits"], gradient=True)
    loss = term(volume(arrays["label"]), similarity)
    loss.backward()
    certify("voco_losses", f"{term.__name__} term", loss, arrays[f"{name}_loss"], atol=SINGLE)
    gradient = similarity.grad[0]
    certify("voco_losses", f"{term.__name__} term, gradient", gradient, arrays[f"d{name}_dlogits"], atol=SINGLE)


@pytest.mark.parametrize(("term", "name"), [(losses.positive, "pos"), (losses.negative, "neg")])
def test_terms_at_their_extremes(golden, certify, term, name):
    arrays = golden("voco_losses")
    loss = term(volume(arrays["label2"]), volume(arrays["logits2"]))
    certify("voco_losses", f"{term.__name__} term at y = 1, s = 0", loss, arrays[f"{name}_loss2"], atol=1e-4)


def test_base_term_and_its_gradient(golden, certify):
    arrays = golden("voco_losses")
    bases = volume(arrays["bases"], gradient=True)
    loss = losses.base(bases)
    loss.backward()
    certify("voco_losses", "base term", loss, arrays["reg_loss"].item(), atol=SINGLE)
    certify("voco_losses", "base term, one-sided gradient", bases.grad[0], arrays["dreg_dbases"], atol=SINGLE)


def test_projector(golden, certify):
    arrays = golden("voco_projection")
    weights = {key: torch.from_numpy(array) for key, array in arrays.items() if key.startswith("layer")}
    hidden, in_channels = weights["layer1.0.weight"].shape
    projector = ProjectionHead(in_channels, hidden, len(weights["layer3.0.weight"]))
    projector.load_state_dict(weights, strict=True)
    for mode in (projector.train, projector.eval):
        mode()
        ours = projector(torch.from_numpy(arrays["x"]))
        certify("voco_projection", "projector, in training as in evaluation", ours, arrays["y"], atol=1e-5)


class Voxels(Encoder):
    """A stand-in for the trunk. With `Split`, what is pooled are the eight voxels of a crop, in their order."""

    channels = (1, 1, 2, 9, 3)
    strides = (1, 1, 1, 1, 1)

    def forward(self, volume):
        return (volume,) * 5


class Split(nn.Module):
    """A stand-in for the skips, which has the channels that `Voxels` announces."""

    def forward(self, volume, features):
        parts = volume.reshape(-1, 8, 1, 1, 1).split([1, 1, 1, 2, 3], 1)
        return (*parts[:4], features[3], parts[4])


def linear(weight, bias):
    layer = nn.Linear(*reversed(weight.shape))
    layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    return layer


def voxels_backbone():
    return Backbone(Voxels(), Split(), rebuild=voxels_backbone)


@pytest.fixture
def linear_method(golden):
    """VoCo with a linear map of the voxels in place of encoder and projector."""
    arrays = golden("voco_head_step")
    override = {"crop_size": [2, 2, 2], "crop": [8, 8, 2], "head_hidden": 1, "head_out": 1}
    method = Method(voxels_backbone(), method_config(MethodId.parse("voco"), "full", override))
    method.projector = linear(arrays["student_w"], arrays["student_b"])
    method.teacher["projector"] = linear(arrays["teacher_w0"], arrays["teacher_b0"])
    return method


def test_step_of_student_and_teacher(golden, certify, linear_method):
    arrays = golden("voco_head_step")
    n_volumes, n_random, _ = arrays["labels"].shape
    drawn = torch.from_numpy(arrays["img"]).unflatten(0, (n_volumes, n_random))
    bases = torch.from_numpy(arrays["crops"]).unflatten(0, (n_volumes, -1))
    batch = {"crops": torch.cat([drawn, bases], 1), "overlap": torch.from_numpy(arrays["labels"])}

    linear_method.before_step(Progress(0, 10, 0))
    teacher = linear_method.teacher["projector"]
    certify("voco_head_step", "teacher after its EMA", teacher.weight, arrays["teacher_w1"], atol=1e-6)
    certify("voco_head_step", "teacher after its EMA", teacher.bias, arrays["teacher_b1"], atol=1e-6)

    terms = linear_method(batch, Progress(0, 10, 0))
    for name, upstream in (("positive", "pos"), ("negative", "neg"), ("base", "base")):
        expected = arrays[upstream].item()
        certify("voco_head_step", f"{name} term, mean over volumes", terms[name], expected, atol=SINGLE)
    total = weighted_sum(terms, linear_method.config.loss_weights)
    certify("voco_head_step", "weighted sum of the terms", total, arrays["total"].item(), atol=SINGLE)

    total.backward()
    gradients = linear_method.projector.weight.grad, linear_method.projector.bias.grad
    for gradient, name in zip(gradients, "wb", strict=True):
        certify("voco_head_step", "gradient of the sum", gradient, arrays[f"grad_student_{name}"], atol=SINGLE)
