"""GVSL against slow references, and against what warps, damage, heads and axes have to mean."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation
from torch import nn
from torch.utils.data import default_collate

from voxelbench import resolve
from voxelbench.config import read_encoder
from voxelbench.data.cache import write_volume
from voxelbench.data.case import Case
from voxelbench.data.crops import random_start
from voxelbench.encoders.backbone import Backbone, Decoder, Encoder
from voxelbench.encoders.build import build
from voxelbench.errors import ConfigError
from voxelbench.method import Progress
from voxelbench.methods.gvsl import losses
from voxelbench.methods.gvsl.appearance import Damage, curve_intensity, damage, inpaint, shuffle_blocks
from voxelbench.methods.gvsl.matrices import affine_matrix, rotation
from voxelbench.methods.gvsl.method import Method, turned, views
from voxelbench.methods.gvsl.registration import compose
from voxelbench.methods.gvsl.spatial import SpatialRange, draw_noise, draw_spatial, elastic_offsets
from voxelbench.methods.gvsl.warps import affine_warp, dense_warp
from voxelbench.runs import MethodId
from voxelbench.training.loop import weighted_sum

START = Progress(0, 10, 0)
SIZE = (7, 9, 12)  # D, H, W
CROP = (32, 24, 20)  # X, Y, Z
STILL = {
    "angle_degrees": 0, "scale": 0, "shear_degrees": 0, "translation": 0,
    "elastic_amplitude": [0, 0], "elastic_sigma": [10, 10],
}  # fmt: skip
UNDAMAGED = {
    "shuffle_probability": 0, "shuffle_blocks": 0,
    "intensity_probability": 0, "inpaint_boxes": 0, "inpaint_probability": 0,
}  # fmt: skip


@pytest.fixture
def rng():
    return np.random.RandomState(0)


def demo(method="gvsl", **override):
    return resolve.method_config(MethodId.parse(method), "demo", override)


def tensor(rng, *shape):
    return torch.from_numpy(rng.rand(*shape))


# Matrices and warps.

angles = st.tuples(*[st.floats(-3.2, 3.2)] * 3)


@given(angles)
def test_rotations_are_those_of_scipy(drawn):
    ours = rotation(torch.tensor([drawn], dtype=torch.float64))[0]
    np.testing.assert_allclose(ours, Rotation.from_euler("xyz", drawn).as_matrix(), rtol=0, atol=1e-12)


def drawn_matrix(rng):
    parts = rng.uniform(-0.3, 0.3, 3), rng.uniform(0.8, 1.2, 3), rng.uniform(-0.2, 0.2, 6), rng.uniform(-3, 3, 3)
    return affine_matrix(*(torch.from_numpy(part)[None] for part in parts))


def sampled(volume, positions):
    """Read (D, H, W) at positions (3, D, H, W), linearly, zeros outside."""
    return map_coordinates(volume, positions, order=1, mode="grid-constant", cval=0.0)


def affine_positions(matrix, units):
    """Return the places that a matrix reads, as `warps.Units` documents them."""
    size, voxels = np.array(SIZE), np.indices(SIZE).reshape(3, -1)
    lengths, linear, shift = size[:, None], matrix[:, :3], matrix[:, 3:]
    if units == "voxels":
        centre = (lengths - 1) / 2
        return (linear @ (voxels - centre) + shift + centre).reshape(3, *SIZE)
    coordinates = ((2 * voxels + 1) / lengths - 1)[::-1]  # rows W, H, D
    moved = linear @ coordinates + shift / lengths  # translations over D, H, W
    return (((moved[::-1] + 1) * lengths - 1) / 2).reshape(3, *SIZE)


@pytest.mark.parametrize("units", ["released", "voxels"])
def test_affine_warp_reference(rng, units):
    volume, matrices = tensor(rng, 2, 1, *SIZE), torch.cat([drawn_matrix(rng), drawn_matrix(rng)])
    ours = affine_warp(volume, matrices, units)
    for seen, source, matrix in zip(ours, volume.numpy(), matrices.numpy(), strict=True):
        expected = sampled(source[0], affine_positions(matrix, units))
        np.testing.assert_allclose(seen[0], expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("align_corners", [False, True])
def test_dense_warp_reference(rng, align_corners):
    volume, flow = tensor(rng, 1, 1, *SIZE), 4 * tensor(rng, 1, 3, *SIZE) - 2
    lengths = np.array(SIZE)[:, None, None, None]
    positions = np.indices(SIZE) + flow[0].numpy()
    if not align_corners:
        positions = positions * lengths / (lengths - 1) - 0.5
    ours = dense_warp(volume, flow, align_corners=align_corners)[0, 0]
    np.testing.assert_allclose(ours, sampled(volume[0, 0].numpy(), positions), rtol=0, atol=2e-5)


def shift_of_ramps(matrix, units):
    """Return by how many voxels along D, H, W the middle of a volume moves."""
    ramps = torch.from_numpy(np.indices(SIZE).astype(np.float32))[None]
    middle = tuple(length // 2 for length in SIZE)
    return (affine_warp(ramps, matrix, units) - ramps)[(0, slice(None), *middle)]


def translation(*voxels):
    return torch.cat([torch.eye(3), torch.tensor(voxels)[:, None]], 1)[None]


@pytest.mark.parametrize("axis", range(3))
def test_fixed_translates_by_voxels_along_its_own_axis(axis):
    voxels = [0.0, 0.0, 0.0]
    voxels[axis] = 1.5
    torch.testing.assert_close(shift_of_ramps(translation(*voxels), "voxels"), torch.tensor(voxels))


def test_released_translation_halves_and_mixes_up_the_axes():
    depth, _, width = SIZE
    shift = shift_of_ramps(translation(1.0, 2.0, 3.0), "released")
    expected = torch.tensor([3.0 * depth / width, 2.0, 1.0 * width / depth]) / 2
    torch.testing.assert_close(shift, expected, atol=1e-5, rtol=0)


def test_a_quarter_turn_about_d_keeps_voxels_cubic_in_voxels_alone(rng):
    volume = tensor(rng, 1, 1, 3, 4, 8).float()
    about_first = affine_matrix(
        torch.tensor([[np.pi / 2, 0, 0]]), torch.ones(1, 3), torch.zeros(1, 6), torch.zeros(1, 3)
    )
    seen = affine_warp(volume, about_first.float(), "voxels")
    expected = torch.rot90(volume[..., 2:6], -1, (3, 4))  # the middle 4 x 4 of the 4 x 8 stays inside
    torch.testing.assert_close(seen[..., 2:6], expected, atol=1e-4, rtol=0)
    assert not seen[..., :2].any()


def test_a_flow_of_zero_is_the_identity_with_aligned_corners_alone(rng):
    volume, flow = tensor(rng, 1, 1, *SIZE).float(), torch.zeros(1, 3, *SIZE)
    torch.testing.assert_close(dense_warp(volume, flow, align_corners=True), volume, atol=1e-5, rtol=0)
    assert (dense_warp(volume, flow, align_corners=False) - volume).abs().max() > 0.1


def test_samples_of_a_batch_are_warped_on_their_own(rng):
    volumes, flows = tensor(rng, 2, 1, *SIZE).float(), tensor(rng, 2, 3, *SIZE).float()
    matrices = torch.cat([drawn_matrix(rng), drawn_matrix(rng)])
    together = compose(volumes, matrices, flows, "released", dense_align_corners=False)
    for i in range(2):
        one = slice(i, i + 1)
        alone = compose(volumes[one], matrices[one], flows[one], "released", dense_align_corners=False)
        torch.testing.assert_close(together[one], alone)


# Augmentation.


def test_elastic_offsets_reference(rng):
    noise, amplitude, sigma = 2 * tensor(rng, 2, 3, *SIZE) - 1, torch.tensor([3.0, 100.0]), torch.tensor([0.7, 11.3])
    ours = elastic_offsets(noise, amplitude.double(), sigma.double())
    for i, k in itertools.product(range(2), range(3)):
        smooth = gaussian_filter(noise[i, k].numpy(), sigma[i].item(), mode="constant", truncate=4.0)
        np.testing.assert_allclose(ours[i, k], amplitude[i].item() * smooth, rtol=0, atol=1e-12)


def test_draws_stay_in_their_ranges(rng):
    limits = SpatialRange(**demo().spatial.model_dump())
    draws = [draw_spatial(limits, SIZE, rng) for _ in range(200)]
    shifts = np.array([draw.matrix[:, 3] for draw in draws])
    assert (np.abs(shifts) <= 0.1 * np.array(SIZE)).all() and np.abs(shifts).max(0) == pytest.approx(
        0.1 * np.array(SIZE), rel=0.1
    )
    determinants = np.array([np.linalg.det(draw.matrix[:, :3]) for draw in draws])
    assert 0.25 < determinants.min() < 0.7 and 1.3 < determinants.max() < 2.2
    assert all(0 <= draw.amplitude <= 512 and 10 <= draw.sigma <= 13 for draw in draws)
    noise = draw_noise(SIZE, rng)
    assert noise.shape == (3, *SIZE) and -1 <= noise.min() < -0.98 and 0.98 < noise.max() < 1


@pytest.fixture
def volume(rng):
    return rng.rand(1, 21, 40, 60).astype(np.float32)


def test_shuffled_blocks_come_from_the_undamaged_volume(volume, rng):
    np.testing.assert_array_equal(np.sort(shuffle_blocks(volume, 1, rng), None), np.sort(volume, None))
    shuffled = shuffle_blocks(volume, 500, rng)  # blocks of 1 x 2 x 3
    assert 0.03 < (shuffled != volume).mean() < 0.06  # 500 x 6 of 50,400 voxels, less what overlaps
    for _, d, h, w in np.argwhere(shuffled != volume)[:50]:
        near = volume[0, d, max(h - 1, 0) : h + 2, max(w - 2, 0) : w + 3]
        assert shuffled[0, d, h, w] in near


def test_curves_rise_and_keep_0_and_1(rng):
    ramp = np.linspace(0, 1, 50)[None]
    curves = np.array([curve_intensity(ramp, rng)[0] for _ in range(20)])
    assert (np.diff(curves) >= 0).all() and not curves[:, 0].any() and (curves[:, -1] == 1).all()
    assert np.abs(curves - ramp).max() > 0.2


def test_inpainting_keeps_off_the_faces(volume, rng):
    painted = inpaint(volume, 30, 1.0, rng) != volume
    assert 0.05 < painted.mean() < 0.6
    inner = painted[:, 3:-3, 3:-3, 3:-3]
    assert inner.sum() == painted.sum()
    assert not (inpaint(volume, 30, 0.0, rng) != volume).any()


def test_without_damage_a_volume_stays(volume, rng):
    np.testing.assert_array_equal(damage(volume, Damage(**UNDAMAGED), rng), volume)


# Losses.


def test_ncc_reference(rng):
    first, second, window = rng.rand(5, 6, 8), rng.rand(5, 6, 8), 5
    padded = [np.pad(volume, window // 2) for volume in (first, second)]
    squared = []
    for place in np.ndindex(first.shape):
        i, j = (volume[tuple(slice(n, n + window) for n in place)] for volume in padded)
        cross = ((i - i.mean()) * (j - j.mean())).sum()
        squared.append(cross**2 / (((i - i.mean()) ** 2).sum() * ((j - j.mean()) ** 2).sum() + 1e-5))
    ours = losses.ncc(*(torch.from_numpy(volume)[None, None] for volume in (first, second)), window)
    assert ours.item() == pytest.approx(1 - np.mean(squared), abs=1e-10)


def test_ncc_does_not_see_gain_and_offset_away_from_the_border(rng):
    volume = torch.from_numpy(rng.rand(1, 1, 12, 13, 14))
    moments = losses.local_moments(volume, 3 * volume + 2, 5)
    inner = losses.correlation(moments)[..., 2:-2, 2:-2, 2:-2]
    torch.testing.assert_close(inner, torch.ones_like(inner), atol=1e-4, rtol=0)


def test_ncc_of_flat_volumes_has_finite_gradients():
    flat = torch.full((1, 1, 12, 13, 14), 0.7).requires_grad_()
    loss = losses.ncc(flat, torch.full_like(flat, 0.9).detach() + 1e-3 * torch.rand(flat.shape))
    loss.backward()
    assert 0 <= loss <= 1 and flat.grad.isfinite().all()


def test_smoothness_reference(rng):
    flow = rng.rand(2, 3, 4, 5, 6)
    expected = np.mean([np.mean(np.diff(flow, axis=axis) ** 2) for axis in (2, 3, 4)])
    assert losses.smoothness(torch.from_numpy(flow)).item() == pytest.approx(expected)


@pytest.mark.parametrize("term", [losses.ncc, losses.restoration])
def test_terms_refuse_volumes_of_two_shapes(term):
    with pytest.raises(ValueError, match=r"compares volumes of \(1, 1, 4, 4, 4\) and \(1, 1, 4, 4, 1\)"):
        term(torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 1, 4, 4, 1))


def test_smoothness_refuses_flat_flows():
    with pytest.raises(ValueError, match="two voxels along each axis"):
        losses.smoothness(torch.zeros(1, 3, 4, 1, 4))


# Views.


def stored_case(folder, name, volume, modality="CT"):
    path = folder / f"{name}.h5"
    write_volume(path, volume[None].astype(np.float32))
    return Case(name, name, modality, ("image",), ("",), (0.8, 0.8, 2.5), np.eye(4), volume.shape, path)


@pytest.fixture
def pair(tmp_path, rng):
    """Cases of two shapes, one of them shorter than the crop along Z."""
    return tuple(
        stored_case(tmp_path, name, rng.uniform(-1024, 1024, shape))
        for name, shape in (("a", (40, 31, 17)), ("b", (33, 50, 23)))
    )


def test_pairs_of_unequal_shapes_collate(pair, rng):
    settings = demo(crop=CROP)
    batch = default_collate([views(group, settings, rng) for group in (pair, pair[::-1])])
    for name in ("fixed", "damaged", "moving"):
        assert batch[name].shape == (2, 1, *CROP) and batch[name].dtype == torch.float32
    assert batch["noise"].shape == (2, 3, *CROP[::-1])


def test_the_first_case_is_damaged_and_in_hounsfield_units_plus_1024(pair, rng):
    drawn = views(pair, demo(crop=CROP, damage=UNDAMAGED), rng)
    np.testing.assert_array_equal(drawn["damaged"], drawn["fixed"])
    known = (pair[0].read() + 1024) / 2048
    assert np.isin(drawn["fixed"], known).all() and np.isin(drawn["moving"], known).mean() < 0.1
    assert (views(pair, demo(crop=CROP), rng)["damaged"] != drawn["fixed"]).any()


def test_damage_is_drawn_on_z_y_x(pair):
    settings = demo(crop=CROP)
    drawn = views(pair, settings, np.random.RandomState(0))
    rng = np.random.RandomState(0)
    for case in pair:
        random_start(case.shape, CROP, rng)
    on_arrays = damage(turned(drawn["fixed"]), settings.damage, rng)
    np.testing.assert_array_equal(turned(on_arrays), drawn["damaged"])


def test_z_scored_crops_are_damaged_within_their_range(tmp_path, rng):
    cases = tuple(stored_case(tmp_path, name, rng.normal(300, 80, (32, 24, 20)), "MRI") for name in "ab")
    drawn = views(cases, demo(crop=CROP), rng)
    assert (drawn["damaged"] != drawn["fixed"]).any()
    assert (
        drawn["damaged"].min() >= drawn["fixed"].min() - 1e-4 and drawn["damaged"].max() <= drawn["fixed"].max() + 1e-4
    )


def test_a_constant_z_scored_crop_stays_undamaged(tmp_path, rng):
    case = stored_case(tmp_path, "flat", np.full(CROP, 5.0), "PET")
    drawn = views((case, case), demo(crop=CROP), rng)
    assert not drawn["damaged"].any()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ({"group_size": 3}, "group_size is 3, but GVSL registers pairs of cases; make it 2"),
        ({"crop": [64, 19, 32]}, r"crop \(64, 19, 32\) is too short to be damaged; give each axis 20 voxels or more"),
    ],
)
def test_rejects_settings_that_cannot_work(override, sentence):
    with pytest.raises(ConfigError, match=sentence):
        demo(**override)


# The method.


class Copies(Encoder):
    """A stand-in for a trunk: the volume pooled by 4, as 8 channels; remembers what it saw."""

    channels = (8,)
    strides = (4,)

    def forward(self, volume):
        self.seen = volume
        return (
            nn.functional.avg_pool3d(volume, 4).expand(-1, 8, -1, -1, -1) * torch.arange(1, 9)[:, None, None, None],
        )


class Raised(Decoder):
    """A stand-in for a decoder: the coarse map, brought back to the size of the volume."""

    channels = (8,)
    strides = (1,)

    def forward(self, maps, size):
        return (nn.functional.interpolate(maps[-1], tuple(size)),)


def small_backbone():
    return Backbone(Copies(), None, Raised(), rebuild=small_backbone)


def small_method(variant="code", **override):
    torch.manual_seed(0)
    settings = demo(f"gvsl.{variant}", **{"crop": CROP, **override})
    return Method(small_backbone(), settings)


def small_batch(pair, settings, n=1):
    rng = np.random.RandomState(1)
    return default_collate([views(pair, settings, rng) for _ in range(n)])


def test_the_backbone_sees_x_y_z_and_all_else_z_y_x(pair):
    method = small_method()
    seen = []
    method.registration.register_forward_hook(lambda _, inputs, output: seen.append((inputs, output)))
    terms = method(small_batch(pair, method.config), START)
    assert terms.keys() == method.config.loss_weights.keys()
    assert method.backbone.trunk.seen.shape == (2, 1, *CROP)
    ((of_moving, of_damaged, image), prediction) = seen[0]
    assert image.shape == prediction.restored.shape == prediction.warped.shape == (1, 1, *CROP[::-1])
    assert of_moving.fine.shape == (1, 8, *CROP[::-1])
    assert of_damaged.coarse.shape == (1, 8, *(length // 4 for length in CROP[::-1]))
    torch.testing.assert_close(turned(method.backbone.trunk.seen)[:1], image)


def test_without_augmentation_fixed_sees_the_crops_as_they_are(pair):
    method = small_method("fixed", spatial=STILL, damage=UNDAMAGED)
    batch = small_batch(pair, method.config)
    images = method._augmented(batch)
    for channel, name in enumerate(("fixed", "damaged", "moving")):
        torch.testing.assert_close(images[:, channel : channel + 1], turned(batch[name]), atol=1e-4, rtol=0)


def test_one_draw_moves_all_images_of_a_sample_and_no_other(pair):
    method = small_method(damage=UNDAMAGED)
    batch = small_batch(pair, method.config, n=2)
    batch["moving"] = batch["damaged"] = batch["fixed"] = batch["fixed"][:1].expand(2, -1, -1, -1, -1)
    images = method._augmented(batch)
    for other in (images[:, 1], images[:, 2]):
        torch.testing.assert_close(images[:, 0], other)
    assert (images[0] - images[1]).abs().max() > 0.1


def test_samples_of_a_batch_do_not_meet(pair):
    method = small_method("fixed")
    batch = small_batch(pair, method.config, n=2)
    together = method(batch, START)
    halves = [method({name: array[i : i + 1] for name, array in batch.items()}, START) for i in range(2)]
    for name, term in together.items():
        assert term.item() == pytest.approx((halves[0][name] + halves[1][name]).item() / 2, rel=1e-4)


@pytest.mark.parametrize(("variant", "is_trained"), [("code", False), ("paper", True), ("fixed", True)])
def test_the_affine_head_is_trained_where_the_paper_says_so(pair, variant, is_trained):
    method = small_method(variant)
    batch = small_batch(pair, method.config)
    weighted_sum(method(batch, START), method.config.loss_weights).backward()
    head = dict(method.registration.affine_head.named_parameters())
    assert len(head) == 16
    touched = {name for name, weight in head.items() if weight.grad is not None and weight.grad.any()}
    # Without limits: a value that is clamped passes no gradient on.
    assert ("translation.weight" in touched) == is_trained
    trained = {id(weight) for group in method.parameter_groups() for weight in group.parameters}
    assert ({id(weight) for weight in head.values()} <= trained) == is_trained
    if not is_trained:
        assert not touched and trained.isdisjoint(id(weight) for weight in head.values())


@pytest.mark.parametrize("budget", ["demo", "learn", "full"])
@pytest.mark.parametrize("variant", ["code", "paper", "fixed"])
def test_every_variant_is_a_valid_config(variant, budget):
    settings = resolve.method_config(MethodId.parse(f"gvsl.{variant}"), budget)
    assert settings.loss_weights.keys() == {"ncc", "smooth", "restoration"}


def test_heads_have_their_released_widths_in_any_encoder():
    method = Method(build(read_encoder("swin12-demo"), 1, Method.needs), demo())
    heads = method.registration
    assert heads.affine_head.block.double_conv[0].weight.shape[:2] == (256, 2 * 192)
    assert heads.flow_head.block.double_conv[0].weight.shape[:2] == (16, 2 * 12)
    groups = [layer.num_groups for layer in heads.modules() if isinstance(layer, nn.GroupNorm)]
    assert groups == [32, 32, 2, 2, 4]


def test_refuses_decoders_that_end_below_full_resolution():
    backbone = small_backbone()
    backbone.decoder.strides = (2,)
    backbone.trunk.preset = read_encoder("swin12-demo")
    with pytest.raises(ConfigError, match="gvsl: the encoder swin12-demo has no decoder that ends at full resolution"):
        Method(backbone, demo())
