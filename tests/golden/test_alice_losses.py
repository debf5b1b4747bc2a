"""Alice's head, CASA, loss terms and centres against the released code, single precision."""

import json
from pathlib import Path

import pytest
import torch

from voxelbench.methods.alice import losses
from voxelbench.methods.alice.casa import Alignment, CrossAttention
from voxelbench.methods.alice.centre import Centre
from voxelbench.methods.alice.head import Head
from voxelbench.resolve import method_config
from voxelbench.runs import MethodId

SINGLE = 1e-5
RELEASED_CASA = {
    "query": "Cross_Att.MH_attn.w_qs",
    "key": "Cross_Att.MH_attn.w_ks",
    "value": "Cross_Att.MH_attn.w_vs",
    "out": "Cross_Att.MH_attn.fc",
    "attention_norm": "Cross_Att.MH_attn.layer_norm",
    "expand": "Cross_Att.pos_ffn.w_1",
    "reduce": "Cross_Att.pos_ffn.w_2",
    "output_norm": "Cross_Att.pos_ffn.layer_norm",
}


@pytest.fixture(scope="module")
def config():
    return method_config(MethodId.parse("alice.relpos"), "full")


def released_shapes(part):
    """Return the released names and shapes of a part, in their order."""
    return dict(json.loads((Path(__file__).parent / f"alice_{part}_state_shapes.json").read_text("utf-8")))


def tensors(arrays, *names):
    return [torch.from_numpy(arrays[name]) for name in names]


def released_casa_name(name):
    layer, kind = name.split(".")
    return f"{RELEASED_CASA[layer]}.{kind}"


def test_names_and_shapes_of_casa(config):
    casa = CrossAttention(config.head.out, config.casa)
    ours = {released_casa_name(name): list(weight.shape) for name, weight in casa.state_dict().items()}
    theirs = {name: shape for name, shape in released_shapes("casa").items() if not name.startswith("projection_")}
    assert ours == theirs


def test_casa(golden, certify):
    arrays = golden("alice_casa_small")
    query, ours, theirs = tensors(arrays, "query", "student_kv", "teacher_kv")
    hidden, channels = arrays["W.Cross_Att.pos_ffn.w_1.weight"].shape
    casa = CrossAttention(channels, Alignment(heads=2, hidden=hidden, dropout=0.1, target="decoder")).eval()
    weights = {name: torch.from_numpy(arrays[f"W.{released_casa_name(name)}"]) for name in casa.state_dict()}
    casa.load_state_dict(weights, strict=True)
    certify(
        "alice_casa_small", "CASA of the student's tokens", casa(query, ours), arrays["student_aligned"], atol=SINGLE
    )
    certify("alice_casa_small", "CASA of the teacher's", casa(query, theirs), arrays["teacher_aligned"], atol=SINGLE)


def head_of(config, shapes):
    """Build the head that has the released shapes."""
    return Head(shapes["mlp3.weight"][0], shapes["mlp4.weight"][1], config.head)


def test_names_and_shapes_of_both_heads(config):
    expected = released_shapes("head_student")
    head = head_of(config, expected)
    # The gains of the weight norm are fixed to 1 and left out.
    ours = {name: list(weight.shape) for name, weight in head.state_dict().items()}
    for part in ("head_student", "head_teacher"):
        theirs = {name: shape for name, shape in released_shapes(part).items() if not name.endswith("weight_g")}
        assert ours == theirs


def test_head(golden, certify, fill_by_position, config):
    arrays, shapes = golden("alice_head"), released_shapes("head_student")
    filled = {name: torch.empty(shape) for name, shape in shapes.items()}
    fill_by_position(filled)
    head = head_of(config, shapes)
    head.load_state_dict({name: filled[name] for name in head.state_dict()}, strict=True)

    coarse, tap = tensors(arrays, "encoder", "decoder")
    (pooled,) = tensors(arrays, "cls")  # the released head is given the pooled map, ours pools it: here, one voxel
    with torch.no_grad():
        whole = head(pooled[:, :, None, None, None], tap).whole
        scores = head(coarse, tap)
    certify("alice_head", "scores of whole crops", whole, arrays["out_cls"], atol=SINGLE)
    certify("alice_head", "scores of encoder tokens", scores.encoder, arrays["out_encoder"], atol=SINGLE)
    certify("alice_head", "scores of decoder tokens", scores.decoder, arrays["out_decoder"], atol=SINGLE)


@pytest.mark.parametrize("epoch", [0, 15, 60])
def test_terms_of_an_epoch(golden, certify, config, epoch):
    arrays = golden("alice_loss")
    teacher, student, ours, theirs = tensors(arrays, "teacher_cls", "student_cls", "student_patch", "teacher_patch")
    whole_centre, token_centre = (centre.flatten() for centre in tensors(arrays, "center_before", "center2_before"))
    crops = torch.cat(tensors(arrays, "query", "anchor"))
    tau = losses.Temperatures(float(arrays[f"temp_ep{epoch}"]), config.student_temperature)
    terms = {
        "cls": losses.cross_view(teacher[None], student[None], whole_centre, tau),
        "patch": losses.cross_entropy(theirs, ours, token_centre, tau),
        "reconstruction": losses.reconstruction(torch.from_numpy(arrays["student_decoded"]), crops),
    }
    weighted = {name: config.loss_weights[name] * term for name, term in terms.items()}
    for name, released in (("cls", "cls"), ("patch", "patch"), ("reconstruction", "recon")):
        certify("alice_loss", f"{name}, weighted", weighted[name], arrays[f"{released}_ep{epoch}"], atol=5 * SINGLE)
    certify("alice_loss", "total", sum(weighted.values()), arrays[f"total_ep{epoch}"], atol=10 * SINGLE)


@pytest.mark.parametrize(("scores", "released"), [("teacher_cls", "center"), ("teacher_patch", "center2")])
def test_centres_after_a_step(golden, certify, config, scores, released):
    arrays = golden("alice_loss")
    (teacher,), before = tensors(arrays, scores), torch.from_numpy(arrays[f"{released}_before"]).flatten()
    centre = Centre(len(before), config.centre_momentum)
    centre.value.copy_(before)
    centre.observe(teacher)
    centre.update()
    certify("alice_loss", f"centre of {scores}", centre.value, arrays[f"{released}_after"].ravel(), atol=SINGLE)
