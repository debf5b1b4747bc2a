"""Alice against slow references, and against what masks, teacher, centres and gradients have to mean."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from voxelbench import registry, resolve
from voxelbench.config import read_encoder, read_method
from voxelbench.encoders.build import build
from voxelbench.errors import ConfigError
from voxelbench.method import Progress, seed_torch
from voxelbench.methods.alice import losses
from voxelbench.methods.alice.casa import Alignment, CrossAttention
from voxelbench.methods.alice.centre import Centre
from voxelbench.methods.alice.masking import Mask, without
from voxelbench.methods.alice.method import Method
from voxelbench.runs import MethodId
from voxelbench.training.loop import weighted_sum

CROP = (48, 32, 32)
START, LATER = Progress(0, 100, 0, 0), Progress(50, 100, 0, 0)
TAU = losses.Temperatures(0.05, 0.1)


@pytest.fixture
def rng():
    return np.random.RandomState(0)


def demo(method="alice.relpos", **override):
    small = {"crop": CROP, "mask": {"hidden_fraction": 0.5}, "casa": {"dropout": 0.0}}
    return resolve.method_config(MethodId.parse(method), "demo", small | override)


def small_method(settings, encoder="alice-nnformer-demo", seed=0):
    torch.manual_seed(seed)
    method = Method(build(read_encoder(encoder), 1, Method.needs), settings).train()
    nn.init.normal_(method.casa.attention_norm.bias)  # else layers at their start hide mistakes
    return method


def draw_batch(settings, rng, n_samples=1):
    """Draw crops of noise, and cells to hide, for some samples."""
    crops = rng.uniform(size=(n_samples, 2, 1, *settings.crop)).astype(np.float32)
    hidden = [[settings.mask.draw(settings.crop, rng)[None] for _ in range(2)] for _ in range(n_samples)]
    return {"crops": torch.from_numpy(crops), "hidden": torch.from_numpy(np.array(hidden))}


def terms_of(method, batch, progress):
    seed_torch(0, progress.step)
    method.before_step(progress)
    return method(batch, progress)


# Masks.

grids = st.tuples(st.integers(2, 5), st.integers(2, 5), st.integers(1, 4))


@given(grids, st.floats(0.1, 0.7), st.integers(0, 2**32 - 1))
def test_tubes_run_along_the_third_axis_and_blocks_do_not(grid, fraction, seed):
    crop = tuple(3 * n for n in grid)
    tubes = Mask(shape="tubes", cell=3, hidden_fraction=fraction).draw(crop, np.random.RandomState(seed))
    blocks = Mask(shape="blocks", cell=3, hidden_fraction=fraction).draw(crop, np.random.RandomState(seed))
    assert tubes.shape == blocks.shape == grid
    assert (tubes == tubes[:, :, :1]).all()
    assert tubes[:, :, 0].sum() == math.ceil(fraction * grid[0] * grid[1])
    assert blocks.sum() == math.ceil(fraction * math.prod(grid))


def test_hidden_voxels_become_zero_and_the_others_stay(rng):
    crop = (12, 8, 16)
    volumes = torch.from_numpy(rng.uniform(1, 2, (2, 1, *crop)))
    cells = np.stack([Mask(shape="blocks", cell=4, hidden_fraction=0.4).draw(crop, rng)[None] for _ in range(2)])
    expected = volumes.clone()
    for b, _, x, y, z in np.argwhere(cells):
        expected[b, :, 4 * x : 4 * x + 4, 4 * y : 4 * y + 4, 4 * z : 4 * z + 4] = 0
    torch.testing.assert_close(without(volumes, torch.from_numpy(cells)), expected, rtol=0, atol=0)


# Loss terms.


def slow_cross_entropy(teacher, student, centre, tau):
    """H(p, q) of two lists of numbers."""
    shifted = [math.exp((t - c) / tau.teacher) for t, c in zip(teacher, centre, strict=True)]
    likely = [math.exp(s / tau.student) for s in student]
    pairs = zip(shifted, likely, strict=True)
    return -sum(p / sum(shifted) * math.log(q / sum(likely)) for p, q in pairs)


def test_cls_crosses_views_and_patch_does_not(rng):
    teacher, student, centre = rng.uniform(-1, 1, (3, 2, 5)), rng.uniform(-1, 1, (3, 2, 5)), rng.uniform(-1, 1, 5)
    across = [slow_cross_entropy(teacher[b, v], student[b, 1 - v], centre, TAU) for b in range(3) for v in range(2)]
    within = [slow_cross_entropy(teacher[b, v], student[b, v], centre, TAU) for b in range(3) for v in range(2)]
    arrays = [torch.from_numpy(array) for array in (teacher, student, centre)]
    assert losses.cross_view(*arrays, TAU).item() == pytest.approx(np.mean(across))
    assert losses.cross_entropy(*arrays, TAU).item() == pytest.approx(np.mean(within))


def test_reconstruction_counts_every_voxel_by_half(rng):
    prediction, crops = rng.uniform(size=(2, 2, 1, 4, 3, 2))
    expected = ((prediction - crops) ** 2).mean() / 2
    assert losses.reconstruction(torch.from_numpy(prediction), torch.from_numpy(crops)).item() == pytest.approx(
        expected
    )


def test_the_order_of_the_tokens_that_casa_reads_changes_nothing(rng):
    torch.manual_seed(0)
    casa = CrossAttention(12, Alignment(heads=3, hidden=8, dropout=0.1, target="decoder")).double().eval()
    queries = torch.from_numpy(rng.normal(size=(2, 4, 12)))
    taps = torch.from_numpy(rng.normal(size=(2, 2, 12, 3, 4, 2)))  # student and teacher, a map each
    plain, rotated = taps.flatten(3), taps.permute(0, 1, 2, 5, 3, 4).flatten(3)
    (ours, theirs), (ours_rotated, theirs_rotated) = (
        [casa(queries, tap.transpose(1, 2)) for tap in order] for order in (plain, rotated)
    )
    torch.testing.assert_close(ours_rotated, ours)
    centre = torch.zeros(12)
    rotated_loss = losses.cross_entropy(theirs_rotated, ours_rotated, centre, TAU)
    torch.testing.assert_close(rotated_loss, losses.cross_entropy(theirs, ours, centre, TAU))


# A step.


def test_terms_of_a_batch_are_the_means_of_its_samples(rng):
    settings = demo()
    method = small_method(settings)
    method.centres["cls"].value.normal_()
    batch = draw_batch(settings, rng, n_samples=2)
    both = terms_of(method, batch, LATER)  # when no path is dropped
    single = [terms_of(method, {name: array[[b]] for name, array in batch.items()}, LATER) for b in range(2)]
    for name, term in both.items():
        torch.testing.assert_close(term, (single[0][name] + single[1][name]) / 2)


@pytest.mark.parametrize(("encoder", "crop"), [("alice-nnformer-demo", CROP), ("swin12-demo", (64, 32, 32))])
def test_all_of_the_student_learns_and_nothing_of_the_teacher(rng, encoder, crop):
    settings = demo(crop=crop)
    method = small_method(settings, encoder)
    weighted_sum(terms_of(method, draw_batch(settings, rng), LATER), settings.loss_weights).backward()
    assert all(parameter.grad is None for parameter in method.teacher.parameters())
    idle = [name for name, weight in method.named_parameters() if weight.requires_grad and weight.grad is None]
    assert not idle
    assert all(weight.grad.any() for weight in method.backbone.parameters())


@pytest.mark.parametrize(("step", "is_trained"), [(3, False), (4, True)])
def test_prototypes_are_frozen_in_the_first_epoch_and_pass_gradients_on(rng, step, is_trained):
    settings = demo(epoch_steps=4)
    method = small_method(settings)
    terms = terms_of(method, draw_batch(settings, rng), replace(START, step=step))
    (terms["cls"] + terms["patch"]).backward()
    for prototypes in (method.head.last_layer, method.head.last_layer2):
        assert (prototypes.weight_v.grad is not None) == is_trained
    assert method.head.mlp[0].weight.grad.any() and method.head.mlp4.weight.grad.any()


def test_casa_learns_from_the_patch_term_alone(rng):
    settings = demo()
    method = small_method(settings)
    terms = terms_of(method, draw_batch(settings, rng), LATER)
    casa = tuple(method.casa.parameters())
    for name in ("cls", "reconstruction"):
        gradients = torch.autograd.grad(terms[name], casa, retain_graph=True, allow_unused=True)
        assert all(gradient is None for gradient in gradients)
    assert all(gradient.any() for gradient in torch.autograd.grad(terms["patch"], casa))


def test_the_target_of_casa_may_be_the_teachers_encoder(rng):
    batch, patch = None, {}
    for target in ("decoder", "encoder"):
        settings = demo(casa={"target": target, "dropout": 0.0})
        batch = batch or draw_batch(settings, rng)
        patch[target] = terms_of(small_method(settings), batch, LATER)["patch"].item()
    assert patch["decoder"] != patch["encoder"]


def test_state_of_another_start_goes_on_the_same(rng):
    settings = demo()
    trained, fresh = small_method(settings), small_method(settings, seed=1)
    batch = draw_batch(settings, rng)
    terms_of(trained, batch, LATER)
    trained.after_step(LATER)
    fresh.load_state_dict(trained.state_dict(), strict=True)
    ours, theirs = (terms_of(method, batch, LATER) for method in (trained, fresh))
    assert {name: term.item() for name, term in ours.items()} == {name: term.item() for name, term in theirs.items()}


# Teacher, centres and layers that drop.


def test_shared_prototypes_start_as_those_of_tokens_and_follow_those_of_crops():
    method = small_method(demo())
    student, teacher = method.head, method.teacher["head"]
    assert teacher.last_layer2 is teacher.last_layer
    assert torch.equal(teacher.last_layer.weight_v, student.last_layer2.weight_v)
    assert not torch.equal(student.last_layer.weight_v, student.last_layer2.weight_v)
    before, expected = teacher.last_layer.weight_v.clone(), method.config.teacher.momentum
    method.centres["cls"].observe(torch.zeros(1, 64))
    method.centres["patch"].observe(torch.zeros(1, 64))
    method.after_step(START)
    followed = expected * before + (1 - expected) * student.last_layer.weight_v
    torch.testing.assert_close(teacher.last_layer.weight_v, followed.detach())


def test_a_fixed_teacher_starts_as_its_student_and_follows_name_by_name():
    method = small_method(demo("alice.relpos_fixed"))
    ours = {**method.head.state_dict(), **method.backbone.state_dict()}
    teacher = {**method.teacher["head"].state_dict(), **method.teacher["backbone"].state_dict()}
    assert ours.keys() == teacher.keys()
    assert all(torch.equal(ours[name], teacher[name]) for name in ours)
    assert method.teacher["head"].last_layer2 is not method.teacher["head"].last_layer


def test_a_released_teacher_has_positions_of_its_own_and_every_weight_of_its_student():
    method = small_method(demo())
    ours, theirs = method.backbone, method.teacher["backbone"]
    pairs = zip(ours.named_parameters(), theirs.named_parameters(), strict=True)
    assert all(name == other and torch.equal(a, b) for (name, a), (other, b) in pairs)
    assert not torch.equal(ours.trunk.model_down.position, theirs.trunk.model_down.position)


def test_momentum_grows_to_one():
    teaching = demo().teacher
    momenta = [teaching.momentum_after(fraction) for fraction in (0.0, 0.5, 1.0)]
    assert momenta == pytest.approx([0.996, 0.998, 1.0])


def test_teacher_warms_up_over_epochs_both_ends_included():
    teaching = demo(teacher={"temperature": (0.1, 0.4), "temperature_epochs": 4}).teacher
    assert [teaching.temperature_in(epoch) for epoch in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_a_centre_moves_once_a_step_by_the_mean_of_all_micro_batches(rng):
    centre, micro_batches = Centre(3, momentum=0.75), rng.normal(size=(2, 4, 5, 3))
    centre.value.fill_(2.0)
    for scores in micro_batches:
        centre.observe(torch.from_numpy(scores))
    centre.update()
    expected = 0.75 * 2.0 + 0.25 * micro_batches.reshape(-1, 3).mean(0)
    torch.testing.assert_close(centre.value, torch.from_numpy(expected).float())
    centre.observe(torch.zeros(1, 3))
    centre.update()
    torch.testing.assert_close(centre.value, torch.from_numpy(0.75 * expected).float())


@pytest.mark.parametrize(
    ("variant", "student_drops", "teacher_drops"),
    [("relpos", [True, False], [True, False]), ("relpos_fixed", [True, True], [False, False])],
)
def test_paths_are_dropped_in_the_first_epoch_or_by_the_student(variant, student_drops, teacher_drops):
    method = small_method(demo(f"alice.{variant}"))
    for k, step in enumerate((method.config.epoch_steps - 1, method.config.epoch_steps)):
        method.before_step(replace(START, step=step))
        assert {module.training for module in method.backbone.modules()} == {student_drops[k]}
        assert {module.training for module in method.teacher.modules()} == {teacher_drops[k]}
        assert method.casa.training


def test_groups_decay_matrices_and_do_not_clip_casa():
    method = small_method(demo())
    named = {id(weight): name for name, weight in method.named_parameters() if weight.requires_grad}
    groups = method.parameter_groups()
    seen = [id(weight) for group in groups for weight in group.parameters]
    assert sorted(seen) == sorted(named)
    for group in groups:
        assert {weight.dim() > 1 for weight in group.parameters} == {group.weight_decay_scale == 1.0}
        assert {named[id(weight)].startswith("casa.") for weight in group.parameters} == {not group.clipped}


# Settings.


def test_only_pairs_mined_with_sam_are_called_by_the_names_of_the_released_method():
    file = read_method("alice")
    for name, variant in file.variants.items():
        miner = (variant or {}).get("mining", {}).get("miner", file.settings["mining"]["miner"])
        assert (miner == "sam") == (name in {"code", "paper", "fixed"}), name
    assert all("mining" not in (ablation or {}) for ablation in file.ablations.values())
    assert registry.method_card("alice").checked_as in file.variants


def test_the_released_rate_rises_and_the_fixed_one_falls():
    code, fixed = (
        resolve.method_config(MethodId.parse(f"alice.{name}"), "full") for name in ("relpos", "relpos_fixed")
    )
    assert code.optimiser.lr == pytest.approx(5e-5 * 8 / 256) and code.optimiser.lr < code.schedule.min_lr
    assert fixed.optimiser.lr > fixed.schedule.min_lr
    assert code.steps == 1000 * code.epoch_steps and code.schedule.warmup_steps == 50 * code.epoch_steps


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"group_size": 1}, "group_size is 1, but a sample is mined from a pair of cases; make it 2"),
        ({"crop": (48, 32, 24)}, "no whole number of cells; make it a multiple of mask.cell 16"),
        ({"crop": (16, 16, 64)}, "hides all 1 tubes of a crop"),
        ({"casa": {"heads": 3}}, "head.out 64 does not split into 3 casa.heads"),
    ],
)
def test_settings_that_do_not_fit_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        demo(**override)


def test_a_crop_that_the_trunk_cannot_halve_is_refused():
    with pytest.raises(ConfigError, match=r"crop \(48, 32, 32\) has to be a multiple of the trunk's last stride 32"):
        small_method(demo(), "swin12-demo")
