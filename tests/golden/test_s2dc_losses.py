"""S2DC's loss terms, matching and head against the released code, in double precision."""

import random

import pytest
import torch

from voxelbench import registry
from voxelbench.methods.s2dc import losses
from voxelbench.nn.heads import ProjectionHead
from voxelbench.nn.sinkhorn import log_optimal_transport
from voxelbench.validation import read_yaml

close = {"rtol": 1e-10, "atol": 1e-10}
assert_close = torch.testing.assert_close

SETTINGS = read_yaml(registry.folder("methods", "s2dc") / registry.CONFIG)["settings"]
TEMPERATURE = SETTINGS["global_temperature"]


def cases(arrays, suffix):
    return sorted(key.removesuffix(suffix) for key in arrays if key.endswith(suffix))


def tensor(array, *, gradient=False):
    return torch.from_numpy(array.copy()).requires_grad_(gradient)


def assign(cosines, kind):
    if kind == "dual":
        return losses.dual_softmax(cosines)
    return losses.optimal_transport(cosines, SETTINGS["sinkhorn_dustbin"], SETTINGS["sinkhorn_iterations"])


def test_sinkhorn(golden):
    arrays = golden("s2dc_sinkhorn")
    for case in cases(arrays, "_scores"):
        plan = log_optimal_transport(
            tensor(arrays[f"{case}_scores"]), float(arrays[f"{case}_alpha"]), int(arrays[f"{case}_iters"])
        )
        assert_close(plan, tensor(arrays[f"{case}_logZ"]), **close)


@pytest.mark.parametrize("kind", ["dual", "ot"])
def test_patch_to_patch(golden, kind):
    arrays = golden("s2dc_p2p")
    for case in cases(arrays, f"_{kind}_total"):
        assignment, pairs = assign(similarity(arrays, case), kind), tensor(arrays[f"{case}_label"]).bool()
        assert_terms(arrays, f"{case}_{kind}", assignment, pairs)
        total = losses.patch_to_patch(assignment, pairs).item()
        assert total == pytest.approx(float(arrays[f"{case}_{kind}_total"]), abs=1e-10)


@pytest.mark.parametrize("kind", ["dual", "ot"])
def test_assignment_and_its_gradient(golden, kind):
    arrays = golden("s2dc_p2p")
    for case in cases(arrays, f"_{kind}_conf"):
        q = tensor(arrays[f"{case}_q"], gradient=True)
        assignment = assign(q @ tensor(arrays[f"{case}_k"]).transpose(1, 2), kind)
        assert_close(assignment.detach(), tensor(arrays[f"{case}_{kind}_conf"]), **close)
        losses.patch_to_patch(assignment, tensor(arrays[f"{case}_label"]).bool()).backward()
        assert_close(q.grad, tensor(arrays[f"{case}_{kind}_grad_q"]), **close)


def similarity(arrays, case):
    return tensor(arrays[f"{case}_q"]) @ tensor(arrays[f"{case}_k"]).transpose(1, 2)


def assert_terms(arrays, prefix, assignment, pairs):
    positive = losses.patch_to_patch(assignment, pairs, with_negatives=False).item()
    total = losses.patch_to_patch(assignment, pairs).item()
    assert positive == pytest.approx(float(arrays[f"{prefix}_pos"]), abs=1e-10)
    assert total - positive == pytest.approx(float(arrays[f"{prefix}_neg"]), abs=1e-10)


def test_patch_to_structure(golden):
    arrays = golden("s2dc_p2s")
    for case in cases(arrays, "_loss"):
        q = tensor(arrays[f"{case}_q"], gradient=True)
        cosines = q @ tensor(arrays[f"{case}_k"]).transpose(1, 2)
        assert_close(losses.structure_weights(cosines, 1).detach(), tensor(arrays[f"{case}_sharpe_col"]), **close)
        assert_close(losses.structure_weights(cosines, 2).detach(), tensor(arrays[f"{case}_sharpe_row"]), **close)
        loss = losses.patch_to_structure(cosines, tensor(arrays[f"{case}_label"]).bool())
        assert loss.item() == pytest.approx(float(arrays[f"{case}_loss"]), abs=1e-10)
        loss.backward()
        assert_close(q.grad, tensor(arrays[f"{case}_grad_q"]), **close)


def test_patch_to_structure_without_negatives(golden):
    arrays = golden("s2dc_p2s")
    for case in cases(arrays, "_loss"):
        pairs = tensor(arrays[f"{case}_label"]).bool()
        loss = losses.patch_to_structure(similarity(arrays, case), pairs, with_negatives=False)
        expected = (arrays[f"{case}_pos_col"] + arrays[f"{case}_pos_row"]).mean() / 2
        assert loss.item() == pytest.approx(expected, abs=1e-10)


def test_global_contrast(golden):
    arrays = golden("s2dc_global")
    for case in cases(arrays, "_loss"):
        q, k_aug, queue = (tensor(arrays[f"{case}_{name}"]) for name in ("q", "k_aug", "queue"))
        q.requires_grad_()
        loss = losses.global_contrast(q, k_aug, tensor(arrays[f"{case}_idx"]), queue, TEMPERATURE)
        assert loss.item() == pytest.approx(float(arrays[f"{case}_loss"]), abs=1e-10)
        weight = float(arrays[f"{case}_loss_weighted"] / arrays[f"{case}_loss"])
        (weight * loss).backward()
        assert_close(q.grad, tensor(arrays[f"{case}_grad_q_weighted"]), **close)


def test_enqueued_rows_are_the_plain_teacher_features_of_the_anchors(golden):
    arrays = golden("s2dc_global")
    for case in cases(arrays, "_loss"):
        k_src, anchors = arrays[f"{case}_k_src"], arrays[f"{case}_idx"]
        assert_close(tensor(k_src[range(len(k_src)), anchors]), tensor(arrays[f"{case}_enqueued"]), **close)


def test_total(golden):
    arrays = golden("s2dc_total")
    for case in cases(arrays, "_total"):
        kind = case.split("_")[0]
        weights = arrays[f"{case}_weights_p2p_p2s_g"]
        q_geo, q_cl = tensor(arrays["q_geo"], gradient=True), tensor(arrays["q_cl"], gradient=True)
        cosines, pairs = q_geo @ tensor(arrays["k_geo"]).transpose(1, 2), tensor(arrays["label"]).bool()
        assignment = assign(cosines, kind)
        p2p = losses.patch_to_patch(assignment, pairs)
        p2s = losses.patch_to_structure(cosines, pairs)
        anchors = anchors_of(arrays)
        contrast = losses.global_contrast(q_cl, tensor(arrays["k_aug"]), anchors, tensor(arrays["queue"]), TEMPERATURE)

        assert_terms(arrays, f"{case}_p2p", assignment, pairs)
        assert p2s.item() == pytest.approx(float(arrays[f"{case}_p2s"]), abs=1e-10)
        assert weights[2] * contrast.item() == pytest.approx(float(arrays[f"{case}_g_weighted"]), abs=1e-10)
        total = weights[0] * p2p + weights[1] * p2s + weights[2] * contrast
        assert total.item() == pytest.approx(float(arrays[f"{case}_total"]), abs=1e-10)
        total.backward()
        assert_close(q_geo.grad, tensor(arrays[f"{case}_grad_q_geo"]), **close)
        assert_close(q_cl.grad, tensor(arrays[f"{case}_grad_q_cl"]), **close)


def anchors_of(arrays):
    """The released code draws its anchor crops with Python's own generator."""
    n_images, n_crops, _ = arrays["q_cl"].shape
    return torch.tensor(random.Random(int(arrays["pyseed"])).sample(range(n_crops), n_images))


def test_head(golden):
    arrays = golden("s2dc_head")
    weights = {key: tensor(array) for key, array in arrays.items() if key.startswith("layer")}
    hidden, in_channels = weights["layer1.0.weight"].shape
    head = ProjectionHead(in_channels, hidden, len(weights["layer3.0.weight"])).double()
    head.load_state_dict(weights, strict=True)
    for inputs in ("tokens", "crops"):
        for mode, suffix in ((head.train, ""), (head.eval, "_eval")):
            mode()
            assert_close(head(tensor(arrays[f"x_{inputs}"])).detach(), tensor(arrays[f"y_{inputs}{suffix}"]), **close)
