"""S2DC's loss terms, matching and head against the released code, in double precision."""

import random

import pytest
import torch

from voxelbench.config import read_method
from voxelbench.methods.s2dc import losses
from voxelbench.nn.heads import ProjectionHead
from voxelbench.nn.sinkhorn import log_optimal_transport

ATOL = 1e-10

SETTINGS = read_method("s2dc").settings
TEMPERATURE = SETTINGS["global_temperature"]
NAMES = {"ot": "optimal transport", "dual": "dual softmax"}


def cases(arrays, suffix):
    return sorted(key.removesuffix(suffix) for key in arrays if key.endswith(suffix))


def tensor(array, *, gradient=False):
    return torch.from_numpy(array.copy()).requires_grad_(gradient)


def assign(cosines, kind):
    if kind == "dual":
        return losses.dual_softmax(cosines)
    return losses.optimal_transport(cosines, SETTINGS["sinkhorn_dustbin"], SETTINGS["sinkhorn_iterations"])


def test_sinkhorn(golden, certify):
    arrays = golden("s2dc_sinkhorn")
    for case in cases(arrays, "_scores"):
        plan = log_optimal_transport(
            tensor(arrays[f"{case}_scores"]), float(arrays[f"{case}_alpha"]), int(arrays[f"{case}_iters"])
        )
        certify("s2dc_sinkhorn", "log transport plan with dustbins", plan, arrays[f"{case}_logZ"], atol=ATOL)


@pytest.mark.parametrize("kind", ["dual", "ot"])
def test_patch_to_patch(golden, certify, kind):
    arrays = golden("s2dc_p2p")
    for case in cases(arrays, f"_{kind}_total"):
        assignment, pairs = assign(similarity(arrays, case), kind), tensor(arrays[f"{case}_label"]).bool()
        positive, total = (losses.patch_to_patch(assignment, pairs, negatives) for negatives in (False, True))
        expected = (arrays[f"{case}_{kind}_{part}"] for part in ("pos", "neg", "total"))
        for part, ours, theirs in zip(
            ("positive pairs", "other pairs", "total"), (positive, total - positive, total), expected, strict=True
        ):
            certify("s2dc_p2p", f"L_p2p of {NAMES[kind]}, {part}", ours, theirs, atol=ATOL)


@pytest.mark.parametrize("kind", ["dual", "ot"])
def test_assignment_and_its_gradient(golden, certify, kind):
    arrays = golden("s2dc_p2p")
    for case in cases(arrays, f"_{kind}_conf"):
        q = tensor(arrays[f"{case}_q"], gradient=True)
        assignment = assign(q @ tensor(arrays[f"{case}_k"]).transpose(1, 2), kind)
        certify("s2dc_p2p", f"W by {NAMES[kind]}", assignment, arrays[f"{case}_{kind}_conf"], atol=ATOL)
        losses.patch_to_patch(assignment, tensor(arrays[f"{case}_label"]).bool()).backward()
        certify("s2dc_p2p", f"d L_p2p / dq of {NAMES[kind]}", q.grad, arrays[f"{case}_{kind}_grad_q"], atol=ATOL)


def similarity(arrays, case):
    return tensor(arrays[f"{case}_q"]) @ tensor(arrays[f"{case}_k"]).transpose(1, 2)


def test_patch_to_structure(golden, certify):
    arrays = golden("s2dc_p2s")
    for case in cases(arrays, "_loss"):
        q = tensor(arrays[f"{case}_q"], gradient=True)
        cosines = q @ tensor(arrays[f"{case}_k"]).transpose(1, 2)
        for dim, side in ((1, "col"), (2, "row")):
            weights = losses.structure_weights(cosines, dim)
            certify("s2dc_p2s", f"weights of eq. 4, {side}", weights, arrays[f"{case}_sharpe_{side}"], atol=ATOL)
        loss = losses.patch_to_structure(cosines, tensor(arrays[f"{case}_label"]).bool())
        certify("s2dc_p2s", "L_p2s", loss, arrays[f"{case}_loss"], atol=ATOL)
        loss.backward()
        certify("s2dc_p2s", "d L_p2s / dq, through the weights too", q.grad, arrays[f"{case}_grad_q"], atol=ATOL)


def test_patch_to_structure_without_negatives(golden, certify):
    arrays = golden("s2dc_p2s")
    for case in cases(arrays, "_loss"):
        pairs = tensor(arrays[f"{case}_label"]).bool()
        loss = losses.patch_to_structure(similarity(arrays, case), pairs, with_negatives=False)
        expected = (arrays[f"{case}_pos_col"] + arrays[f"{case}_pos_row"]).mean() / 2
        certify("s2dc_p2s", "L_p2s, matching pairs alone", loss, expected, atol=ATOL)


def test_global_contrast(golden, certify):
    arrays = golden("s2dc_global")
    for case in cases(arrays, "_loss"):
        q, k_aug, queue = (tensor(arrays[f"{case}_{name}"]) for name in ("q", "k_aug", "queue"))
        q.requires_grad_()
        loss = losses.global_contrast(q, k_aug, tensor(arrays[f"{case}_idx"]), queue, TEMPERATURE)
        certify("s2dc_global", "L_g", loss, arrays[f"{case}_loss"], atol=ATOL)
        weight = float(arrays[f"{case}_loss_weighted"] / arrays[f"{case}_loss"])
        (weight * loss).backward()
        certify("s2dc_global", "d weighted L_g / dq", q.grad, arrays[f"{case}_grad_q_weighted"], atol=ATOL)


def test_enqueued_rows_are_the_plain_teacher_features_of_the_anchors(golden, certify):
    arrays = golden("s2dc_global")
    for case in cases(arrays, "_loss"):
        k_src, anchors = arrays[f"{case}_k_src"], arrays[f"{case}_idx"]
        rows = k_src[range(len(k_src)), anchors]
        certify("s2dc_global", "rows that are queued", rows, arrays[f"{case}_enqueued"], atol=ATOL)


def test_total(golden, certify):
    arrays = golden("s2dc_total")
    for case in cases(arrays, "_total"):
        kind = case.split("_")[0]
        q_geo, q_cl = tensor(arrays["q_geo"], gradient=True), tensor(arrays["q_cl"], gradient=True)
        cosines, pairs = q_geo @ tensor(arrays["k_geo"]).transpose(1, 2), tensor(arrays["label"]).bool()
        assignment = assign(cosines, kind)
        positive, p2p = (losses.patch_to_patch(assignment, pairs, negatives) for negatives in (False, True))
        p2s = losses.patch_to_structure(cosines, pairs)
        anchors = anchors_of(arrays)
        contrast = losses.global_contrast(q_cl, tensor(arrays["k_aug"]), anchors, tensor(arrays["queue"]), TEMPERATURE)

        weights = arrays[f"{case}_weights_p2p_p2s_g"]
        total = weights[0] * p2p + weights[1] * p2s + weights[2] * contrast
        total.backward()
        for part, ours in {
            "p2p_pos": positive,
            "p2p_neg": p2p - positive,
            "p2s": p2s,
            "g_weighted": weights[2] * contrast,
            "total": total,
            "grad_q_geo": q_geo.grad,
            "grad_q_cl": q_cl.grad,
        }.items():
            certify("s2dc_total", f"one step with {NAMES[kind]}: {part}", ours, arrays[f"{case}_{part}"], atol=ATOL)


def anchors_of(arrays):
    """The released code draws its anchor crops with Python's own generator."""
    n_images, n_crops, _ = arrays["q_cl"].shape
    return torch.tensor(random.Random(int(arrays["pyseed"])).sample(range(n_crops), n_images))


def test_head(golden, certify):
    arrays = golden("s2dc_head")
    weights = {key: tensor(array) for key, array in arrays.items() if key.startswith("layer")}
    hidden, in_channels = weights["layer1.0.weight"].shape
    head = ProjectionHead(in_channels, hidden, len(weights["layer3.0.weight"])).double()
    head.load_state_dict(weights, strict=True)
    for inputs in ("tokens", "crops"):
        for mode, suffix in ((head.train, ""), (head.eval, "_eval")):
            mode()
            described = head(tensor(arrays[f"x_{inputs}"]))
            certify("s2dc_head", f"head on {inputs}", described, arrays[f"y_{inputs}{suffix}"], atol=ATOL)
