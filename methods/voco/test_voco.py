"""VoCo against slow references, and against what positions, augmentation, teacher and gradients have to mean."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from voxelbench import resolve
from voxelbench.config import read_encoder
from voxelbench.data.cache import write_volume
from voxelbench.data.case import Case
from voxelbench.encoders.build import build
from voxelbench.errors import ConfigError, DataError
from voxelbench.method import Progress
from voxelbench.methods.voco import losses
from voxelbench.methods.voco.augmentation import Augmentation, augment
from voxelbench.methods.voco.method import Method, views
from voxelbench.methods.voco.position import base_positions, draw_position, overlaps
from voxelbench.runs import MethodId
from voxelbench.training.loop import weighted_sum

START = Progress(0, 10, 0)
STILL = {"flip_probability": 0.0, "turn_probability": 0.0, "shift_probability": 0.0, "shift_offset": 0.1}


@pytest.fixture
def rng():
    return np.random.RandomState(0)


def demo(method="voco", **override):
    return resolve.method_config(MethodId.parse(method), "demo", override)


# Positions.

grids = st.tuples(st.integers(1, 5), st.integers(1, 5))
cells = st.tuples(st.integers(1, 12), st.integers(1, 12))


@given(grids, cells, st.integers(0, 2**32 - 1))
def test_overlaps_are_the_shares_of_voxels_in_each_base_crop(grid, cell, seed):
    x, y = draw_position(grid, cell, np.random.RandomState(seed))
    inside = np.zeros((grid[0] * cell[0], grid[1] * cell[1]))
    inside[x : x + cell[0], y : y + cell[1]] = 1 / np.prod(cell)
    expected = [inside[i : i + cell[0], j : j + cell[1]].sum() for i, j in base_positions(grid, cell)]
    ours = overlaps((x, y), grid, cell)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
    assert ours.sum() == pytest.approx(1.0, abs=1e-12)
    assert ours.dtype == np.float64
    assert np.count_nonzero(ours) <= 4


def test_draws_reach_every_position_but_the_last(rng):
    drawn = [draw_position((3, 2), (4, 6), rng) for _ in range(1000)]
    assert {x for x, _ in drawn} == set(range(2 * 4))
    assert {y for _, y in drawn} == set(range(1 * 6))


# Views.


def coordinates_case(folder, shape=(26, 17, 9), modality="MRI"):
    """Make a case whose values tell the place: a ramp along X and Y inside a dark border of one voxel."""
    x, y, _ = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    volume = np.zeros(shape, np.float32)
    volume[1:-1, 1:-1, 1:-1] = (1000 + 10 * x + 0.1 * y)[1:-1, 1:-1, 1:-1]
    return stored_case(folder, volume, modality)


def stored_case(folder, volume, modality):
    path = folder / "case.h5"
    write_volume(path, volume[None])
    return Case("a", "a", modality, ("image",), ("",), (0.8, 0.8, 2.5), np.eye(4), volume.shape, path)


def test_base_crops_tile_the_foreground_in_order(tmp_path, rng):
    settings = demo(augmentation=STILL, crop=[12, 8, 5], crop_grid=[3, 2], crop_size=[4, 4, 5])
    case = coordinates_case(tmp_path)
    crops = views((case,), settings, rng)["crops"]
    assert crops.shape == (settings.random_crops + 6, 1, 4, 4, 5)
    tiled = np.block([[[crops[2 + 2 * i + j, 0]] for j in range(2)] for i in range(3)])
    x, y, _ = np.meshgrid(np.linspace(1, 24, 12), np.linspace(1, 15, 8), np.arange(5), indexing="ij")
    volume = case.read()
    expected = (1000 + 10 * x + 0.1 * y - volume.mean()) / volume.std()
    np.testing.assert_allclose(tiled, expected, rtol=0, atol=1e-4)


def test_random_crops_show_what_their_overlaps_say(tmp_path, rng):
    settings = demo(augmentation=STILL, crop=[60, 40, 4], crop_grid=[3, 2], crop_size=[20, 20, 4], random_crops=6)
    drawn = views((coordinates_case(tmp_path),), settings, rng)
    means = drawn["crops"].mean((1, 2, 3, 4))
    np.testing.assert_allclose(drawn["overlap"].sum(1), 1.0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(drawn["overlap"] @ means[6:], means[:6], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("modality", "value"), [("CT", -1000.0), ("CT", -48.0), ("PET", 0.0)], ids=["air", "fat", "constant"]
)
def test_a_volume_without_foreground_is_refused(tmp_path, rng, modality, value):
    case = stored_case(tmp_path, np.full((9, 8, 7), value, np.float32), modality)
    with pytest.raises(DataError, match=r"case a has no voxel above 0(\.\d)? after scaling"):
        views((case,), demo(), rng)


def test_augmentation_keeps_the_values_of_a_crop(rng):
    crop = rng.rand(1, 4, 4, 3).astype(np.float32)
    moving = Augmentation(flip_probability=0.5, turn_probability=0.5, shift_probability=0.0, shift_offset=0.1)
    moved = [augment(crop, moving, rng) for _ in range(300)]
    for each in moved:
        np.testing.assert_array_equal(np.sort(each, None), np.sort(crop, None))
    # Eight symmetries of the square, times the flip of Z: the depth never turns into the plane.
    assert len({each.tobytes() for each in moved}) == 16


def test_intensity_shifts_stay_in_their_range_and_fire_as_often_as_asked(rng):
    shifting = Augmentation(flip_probability=0.0, turn_probability=0.0, shift_probability=0.3, shift_offset=0.1)
    shifts = np.array([augment(np.ones((1, 2, 2, 2), np.float32), shifting, rng) - 1 for _ in range(500)])
    assert np.ptp(shifts.reshape(500, -1), axis=1).max() == 0
    assert 0.2 < (shifts[:, 0, 0, 0, 0] != 0).mean() < 0.4
    assert 0.08 < np.abs(shifts).max() <= 0.1


# Losses.


@pytest.fixture
def features(rng):
    """Features of 2 volumes with 3 random and 4 base crops, and their overlaps."""
    anchors, bases = (torch.from_numpy(rng.randn(2, n, 5)) for n in (3, 4))
    overlap = np.array([[overlaps(draw_position((2, 2), (6, 4), rng), (2, 2), (6, 4)) for _ in range(3)]] * 2)
    overlap[1, 0] = 0, 1, 0, 0
    return anchors, bases, torch.from_numpy(overlap)


def test_terms_reference(features):
    anchors, bases, overlap = features
    positive, negative, base = [], [], []
    for p, q, y in zip(anchors.numpy(), bases.numpy(), overlap.numpy(), strict=True):
        s = np.array([[max(0.0, cosine(a, b)) for b in q] for a in p])
        positive.append(np.sum(-y * np.log(1 - np.abs(y - s) + 1e-6)) / (y.sum() + 1e-6))
        negative.append(sum(s[y == 0] ** 2) / ((y == 0).sum() + 1e-6))
        base.append(np.mean([max(0.0, cosine(q[k], q[m])) ** 2 for m in range(4) for k in range(m)]))
    similarity = losses.relu_cosine(anchors, bases)
    assert losses.positive(overlap, similarity).item() == pytest.approx(np.mean(positive))
    assert losses.negative(overlap, similarity).item() == pytest.approx(np.mean(negative))
    assert losses.base(bases).item() == pytest.approx(np.mean(base))


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize(
    ("similarity", "positive", "negative"), [(0.0, 0.72, 0.0), (0.3, 0.27, 0.09), (0.4, 0.23, 0.16), (1.0, 1.0, 1.0)]
)
def test_bounds_of_an_encoder_that_knows_nothing(rng, similarity, positive, negative):
    grid, cell = (4, 4), (96, 96)
    overlap = torch.from_numpy(np.stack([overlaps(draw_position(grid, cell, rng), grid, cell) for _ in range(4000)]))
    constant = torch.full_like(overlap, similarity)
    assert losses.positive(overlap[None], constant[None]).item() == pytest.approx(positive, abs=0.02)
    assert losses.negative(overlap[None], constant[None]).item() == pytest.approx(negative, abs=1e-4)


def test_base_term_moves_the_earlier_crop_of_each_pair_alone():
    bases = torch.tensor([[[1.0, 0.2], [1.0, -0.3], [0.8, 0.1]]], requires_grad=True)
    losses.base(bases).backward()
    assert bases.grad[0].any(1).tolist() == [True, True, False]


# The method.


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ({"crop_grid": [7, 2]}, r"crop \(120, 80, 32\) does not tile into a \(7, 2\) crop_grid"),
        ({"crop_grid": [1, 1]}, r"crop_grid of two base crops or more"),
        ({"crop_size": [40, 32, 16]}, r"crop_size \(40, 32, 16\) is not square in X and Y, so crops cannot turn"),
        ({"intensity": {"US": {"kind": "zscore"}}}, r"foreground_above lacks US"),
    ],
)
def test_rejects_settings_that_contradict_each_other(override, sentence):
    with pytest.raises(ConfigError, match=sentence):
        demo(**override)


def test_crops_that_do_not_turn_need_not_be_square():
    assert demo(crop_size=[40, 32, 16], augmentation=STILL).crop_size == (40, 32, 16)


def test_rejects_crops_of_a_single_voxel_at_the_last_stride():
    with pytest.raises(ConfigError, match=r"crop_size \(32, 32, 16\) .* an axis longer than 32"):
        small_method(demo(crop_size=[32, 32, 16]))


@pytest.mark.parametrize("budget", ["demo", "full"])
@pytest.mark.parametrize("variant", ["code", "paper", "fixed"])
def test_every_variant_is_a_valid_config(variant, budget):
    settings = resolve.method_config(MethodId.parse(f"voco.{variant}"), budget)
    assert settings.loss_weights.keys() == {"positive", "negative", "base"}


def small_method(settings):
    torch.manual_seed(0)
    return Method(build(read_encoder("swin12-demo"), 1, Method.needs), settings)


def small_batch(settings, rng):
    n_crops = settings.random_crops + settings.n_bases
    drawn = [draw_position(settings.crop_grid, settings.cell, rng) for _ in range(settings.random_crops)]
    overlap = np.stack([overlaps(position, settings.crop_grid, settings.cell) for position in drawn])
    crops = rng.rand(1, n_crops, 1, *settings.crop_size)
    return {"crops": torch.from_numpy(crops).float(), "overlap": torch.from_numpy(overlap)[None]}


@pytest.mark.parametrize("variant", ["paper", "fixed"])
def test_every_variant_has_finite_terms(variant, rng):
    settings = demo(f"voco.{variant}")
    terms = small_method(settings)(small_batch(settings, rng), START)
    assert all(term.isfinite() for term in terms.values())


def gradient_of_features(settings, rng, term):
    """Return which rows of the student's features, random crops first, a term pulls."""
    method = small_method(settings)
    described = []
    method.projector.register_forward_hook(lambda _, __, features: described.append(features))
    method(small_batch(settings, rng), START)[term].backward(inputs=described)
    return described[-1].grad.any(1)


@pytest.mark.parametrize(("variant", "bases_too"), [("code", True), ("paper", False)])
def test_without_a_teacher_the_prediction_pulls_random_crops_alone(variant, bases_too, rng):
    settings = demo(f"voco.{variant}")
    pulled = gradient_of_features(settings, rng, "positive")
    assert pulled[: settings.random_crops].all()
    assert pulled[settings.random_crops :].any() == bases_too


def test_the_base_term_pulls_neither_random_crops_nor_the_last_base_crop(rng):
    settings = demo()
    pulled = gradient_of_features(settings, rng, "base")
    assert not pulled[: settings.random_crops].any()
    assert not pulled[-1]
    assert pulled[settings.random_crops : -1].any()


def test_teacher_follows_before_a_step_and_takes_no_gradient(rng):
    settings = demo()
    method = small_method(settings)
    teacher, student = method.teacher["skips"].encoder1, method.backbone.skips.encoder1
    before, target = (part.layer.conv1.conv.weight.detach().clone() for part in (teacher, student))
    method.before_step(START)
    weight = teacher.layer.conv1.conv.weight
    torch.testing.assert_close(weight, 0.9 * before + 0.1 * target)
    weighted_sum(method(small_batch(settings, rng), START), settings.loss_weights).backward()
    assert all(parameter.grad is None for parameter in method.teacher.parameters())


@pytest.mark.parametrize(("variant", "is_equal"), [("code", False), ("fixed", True)])
def test_teacher_starts_on_its_own_or_as_the_student(variant, is_equal):
    method = small_method(demo(f"voco.{variant}"))
    for name, module in method._student().items():
        pairs = zip(module.parameters(), method.teacher[name].parameters(), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs if ours.dim() > 1) == is_equal


def test_passes_of_one_crop_give_the_losses_and_gradients_of_one_pass(rng):
    tiny = {"crop_size": [40, 40, 2], "crop_grid": [2, 1]}
    batch = {name: array.double() for name, array in small_batch(demo(**tiny), rng).items()}
    results = []
    for crops_per_pass in (None, 1):
        settings = demo(crops_per_pass=crops_per_pass, **tiny)
        method = small_method(settings).double()
        total = weighted_sum(method(batch, START), settings.loss_weights)
        total.backward()
        results.append([total, *(weight.grad for weight in method.parameters() if weight.requires_grad)])
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-6, atol=1e-8)
