"""SwinMM's views undo themselves, its masks hide what they say, its losses equal slow references."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from voxelbench import resolve
from voxelbench.config import read_encoder
from voxelbench.encoders.build import build
from voxelbench.errors import ConfigError
from voxelbench.methods.swinmm.geometry import N_TURNS, SWAPS, swap_axes, turn
from voxelbench.methods.swinmm.losses import hidden_error, nt_xent, standardise
from voxelbench.methods.swinmm.masking import draw_hidden_cells, to_voxels
from voxelbench.methods.swinmm.method import Method
from voxelbench.methods.swinmm.objective import Branch, Passes, Prediction, observe, predict, score
from voxelbench.runs import MethodId

SMALL = (64, 32, 32)
turns_of_three = st.lists(st.integers(0, N_TURNS - 1), min_size=3, max_size=3).map(torch.tensor)


@pytest.fixture
def rng():
    return np.random.RandomState(0)


def crops_of(shape, seed=0):
    return torch.rand(3, 1, *shape, generator=torch.Generator().manual_seed(seed))


def demo(method="swinmm", **override):
    return resolve.method_config(MethodId.parse(method), "demo", override)


def small_method(settings):
    torch.manual_seed(0)
    return Method(build(read_encoder("swin12-demo"), 1, Method.needs), settings)


def small_batch(settings, rng):
    n = settings.crops_per_volume
    return {
        "crops": torch.from_numpy(rng.rand(1, n, 1, *settings.crop).astype(np.float32)),
        "turns": torch.from_numpy(rng.randint(N_TURNS, size=(1, 2, n))),
    }


# Views.


@given(turns_of_three)
def test_turns_undo_each_other(turns):
    crops = crops_of((2, 5, 5))
    assert torch.equal(turn(turn(crops, turns), (N_TURNS - turns) % N_TURNS), crops)


@given(turns_of_three, turns_of_three)
def test_turns_add(turns, more):
    crops = crops_of((2, 5, 5))
    assert torch.equal(turn(turn(crops, turns), more), turn(crops, (turns + more) % N_TURNS))


def test_a_turn_moves_the_last_two_axes_and_leaves_the_first(rng):
    crops = crops_of((2, 5, 5))
    turned = turn(crops, torch.tensor([1, 2, 3]))
    torch.testing.assert_close(turned.sum((3, 4)), crops.sum((3, 4)))
    assert torch.equal(turned[1], crops[1].flip(-1, -2))


@given(st.sampled_from(sorted(SWAPS)), st.tuples(*[st.integers(1, 5)] * 3))
def test_a_permutation_is_its_own_inverse_on_crops_of_any_shape(swap, shape):
    crops = crops_of(shape)
    swapped = swap_axes(crops, swap)
    assert sorted(swapped.shape[2:]) == sorted(shape)
    assert swapped.shape[2] == shape[swap]
    assert torch.equal(swap_axes(swapped, swap), crops)


@pytest.mark.parametrize("hidden_fraction", [0.125, 0.25, 0.5, 0.75])
def test_masks_hide_whole_cells_of_the_asked_share(hidden_fraction, rng):
    cells = draw_hidden_cells((2, 4, 3), hidden_fraction, rng)
    voxels = to_voxels(torch.from_numpy(cells), 4)
    assert voxels.shape == (8, 16, 12)
    assert voxels.float().mean() == hidden_fraction
    assert torch.equal(voxels[2::4, 1::4, 3::4], torch.from_numpy(cells))


def test_masks_are_drawn_over_the_whole_grid(rng):
    share = np.mean([draw_hidden_cells((2, 2, 2), 0.25, rng) for _ in range(500)], axis=0)
    np.testing.assert_allclose(share, 0.25, atol=0.08)


def test_hidden_voxels_are_zero_and_visible_ones_are_seen_turned_then_permuted():
    seen, crops = [], crops_of((4, 6, 6)) + 1
    turns, hidden = torch.tensor([1, 0, 3]), torch.rand(4, 6, 6) < 0.5

    def network(volumes):
        seen.append(volumes)
        return Prediction(volumes.new_zeros(3, 4), volumes.new_zeros(3, 2), volumes)

    passes = predict(network, observe(crops, turns, hidden, 2))
    turned = turn(crops, turns)
    by_shape = {tuple(volumes.shape[2:]): volumes for volumes in seen}
    for volumes in (by_shape[4, 6, 6], swap_axes(by_shape[6, 6, 4], 2)):
        assert not volumes[:, :, hidden].any()
        assert torch.equal(volumes[:, :, ~hidden], turned[:, :, ~hidden])
    assert torch.equal(passes.plain.crops, passes.permuted_crops)


@pytest.mark.parametrize(("variant", "n_masks"), [("code", 1), ("fixed", 2)])
def test_masks_of_a_batch(variant, n_masks, rng):
    settings = demo(f"swinmm.{variant}", crop=SMALL)
    branches = small_method(settings)._branches(small_batch(settings, rng), rng)
    for branch in branches:
        patterns = {pattern.numpy().tobytes() for pattern in branch.hidden}
        assert len(patterns) == n_masks
        assert branch.hidden.float().mean() == settings.hidden_fraction
    assert not torch.equal(branches[0].hidden, branches[1].hidden)


def test_both_permutations_are_drawn(rng):
    settings = demo(crop=SMALL)
    method, batch = small_method(settings), small_batch(settings, rng)
    drawn = {tuple(branch.swap for branch in method._branches(batch, rng)) for _ in range(40)}
    assert drawn == {(1, 1), (1, 2), (2, 1), (2, 2)}


# Settings.


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"crop": [64, 64, 32]}, r"crop \(64, 64, 32\) would change its shape .* make its last two lengths equal"),
        ({"crop": [40, 32, 32]}, r"crop \(40, 32, 32\) is no whole number of cells; .* multiple of mask_cell 16"),
        ({"hidden_fraction": 0.01}, r"hidden_fraction 0.01 hides all or none of 32 cells; move it towards 0.5"),
        ({"crops_per_volume": 1}, r"crops_per_volume"),
    ],
)
def test_settings_that_cannot_work_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        demo(**override)


@pytest.mark.parametrize("crop", [(32, 32, 32), (64, 48, 48)])
def test_a_crop_without_two_whole_tokens_is_refused(crop):
    with pytest.raises(ConfigError, match="has to be a multiple of the trunk's last stride 32"):
        small_method(demo(crop=crop))


@pytest.mark.parametrize("budget", ["demo", "full"])
@pytest.mark.parametrize("variant", ["code", "fixed"])
def test_every_variant_is_a_valid_config(variant, budget):
    resolve.method_config(MethodId.parse(f"swinmm.{variant}"), budget)


# Losses.


def test_a_standardised_crop_has_mean_0_and_unbiased_variance_1():
    crops = crops_of((3, 4, 5)).double() * torch.tensor([1.0, 5.0, 0.0])[:, None, None, None, None] + 2
    values = standardise(crops).flatten(1)
    torch.testing.assert_close(values.mean(1), torch.zeros(3).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(values.var(1), torch.tensor([1.0, 1.0, 0.0]).double(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("hidden_fraction", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("divisor", ["kept", "hidden"])
def test_hidden_error_reference(hidden_fraction, divisor, rng):
    settings = demo(crop=SMALL, hidden_fraction=hidden_fraction, error_divisor=divisor)
    cells = draw_hidden_cells((2, 4, 4), hidden_fraction, rng)
    hidden = np.broadcast_to(cells, (3, 1, 2, 4, 4))
    prediction, target = rng.rand(2, 3, 1, 2, 4, 4)
    squares = [(p - t) ** 2 for p, t, h in zip(prediction.flat, target.flat, hidden.flat, strict=True) if h]
    expected = np.mean(squares)
    if divisor == "kept":
        expected *= hidden_fraction / (1 - hidden_fraction)
    loss = hidden_error(*map(torch.from_numpy, (prediction, target, hidden.copy())), settings.divisor)
    assert loss.item() == pytest.approx(expected)


def test_contrast_reference(rng):
    one, other = rng.randn(2, 3, 5)
    rows = np.concatenate([one, other])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = []
    for i in range(6):
        similarity = {k: np.exp(rows[i] @ rows[k] / 0.5) for k in range(6) if k != i}
        expected.append(-np.log(similarity[(i + 3) % 6] / sum(similarity.values())))
    loss = nt_xent(torch.from_numpy(one), torch.from_numpy(other), 0.5)
    assert loss.item() == pytest.approx(np.mean(expected))


class Leaves(nn.Module):
    """Stands in for the four passes of two crops: free tensors, so that each term's gradients show."""

    def __init__(self):
        super().__init__()
        self.turns, self.embeddings = (nn.ParameterList(torch.rand(2, width) for _ in range(2)) for width in (4, 3))
        self.plain, self.permuted = (nn.ParameterList(torch.rand(2, 1, 2, 3, 3) for _ in range(2)) for _ in range(2))

    def passes(self):
        heads = zip(self.turns, self.embeddings, self.plain, strict=True)
        return tuple(Passes(Prediction(*head), crops) for head, crops in zip(heads, self.permuted, strict=True))


@pytest.mark.parametrize(
    ("term", "reached"),
    [
        ("rotation", {"turns.0", "turns.1"}),
        ("contrast", {"embeddings.0", "embeddings.1"}),
        ("reconstruction", {"plain.0", "plain.1"}),
        ("reconstruction_permuted", {"permuted.0", "permuted.1"}),
        ("mutual", {"plain.0", "permuted.0"}),
    ],
)
def test_what_each_term_trains(term, reached):
    torch.manual_seed(0)
    leaves = Leaves()
    branches = tuple(
        Branch(torch.rand(2, 1, 2, 3, 3), torch.tensor([0, 3]), torch.rand(2, 1, 2, 3, 3) < 0.5, 1) for _ in range(2)
    )
    score(branches, leaves.passes(), temperature=0.5, normalise_target=True, divisor=0.5)[term].backward()
    assert {name for name, leaf in leaves.named_parameters() if leaf.grad is not None and leaf.grad.any()} == reached
    if term == "mutual":
        torch.testing.assert_close(leaves.plain[0].grad, -leaves.permuted[0].grad)


# The method.


def test_recomputing_crop_by_crop_changes_neither_predictions_nor_gradients():
    settings = demo(crop=SMALL)
    method, crops = small_method(settings).double(), crops_of(SMALL)[:2].double()
    results = []
    for crops_per_pass in (None, 1):
        method.config = settings.model_copy(update={"crops_per_pass": crops_per_pass})
        method.zero_grad()
        prediction = method.network(crops)
        sum(output.square().mean() for output in prediction).backward()
        results.append([*prediction, *(parameter.grad.clone() for parameter in method.parameters())])
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-7)


def test_heads_read_the_first_two_tokens_of_the_last_map():
    method = small_method(demo(crop=SMALL))
    features = torch.rand(2, method.backbone.trunk.channels[-1], 2, 2, 2)
    method.backbone.trunk.forward = lambda crops: (features,)
    prediction = method.network(torch.zeros(2, 1, 64, 64, 64))
    assert torch.equal(prediction.turn, method.rotation_head(features[:, :, 0, 0, 0]))
    assert torch.equal(prediction.embedding, method.contrastive_head(features[:, :, 0, 0, 1]))
    assert prediction.crops.shape == (2, 1, 64, 64, 64)


def test_biases_vectors_and_position_tables_do_not_decay():
    method = small_method(demo(crop=SMALL))
    named = {parameter: name for name, parameter in method.named_parameters()}
    decayed, free = method.parameter_groups()
    assert (decayed.weight_decay_scale, free.weight_decay_scale) == (1.0, 0.0)
    assert {*decayed.parameters, *free.parameters} == set(named)
    names = {named[parameter] for parameter in free.parameters}
    assert {"rotation_head.bias", "decoder.0.bias"} < names
    assert sum("relative_position_bias_table" in name for name in names) == 4
    assert not any(name.endswith("weight") and "norm" not in name for name in names)
