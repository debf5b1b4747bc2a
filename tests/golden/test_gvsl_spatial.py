"""GVSL's matrices, warps and spatial augmentation against the released code, draws included."""

import re

import numpy as np
import pytest
import torch
from torch.nn import functional

from voxelbench.config import read_method
from voxelbench.methods.gvsl.matrices import affine_matrix, rotation, shearing
from voxelbench.methods.gvsl.registration import compose
from voxelbench.methods.gvsl.separable import gaussian_matrix
from voxelbench.methods.gvsl.spatial import SpatialRange, draw_spatial, elastic_flow, elastic_offsets
from voxelbench.methods.gvsl.warps import affine_grid, affine_warp, dense_grid, dense_warp, normalised

SETTINGS = read_method("gvsl").settings
LIMITS = SpatialRange(**SETTINGS["spatial"])
STILL = SpatialRange(
    angle_degrees=0, scale=0, shear_degrees=0, translation=0, elastic_amplitude=(0, 0), elastic_sigma=(10, 10)
)
UNITS, ALIGN_CORNERS = SETTINGS["affine_units"], SETTINGS["dense_align_corners"]
SINGLE = 1e-5  # the arrays are single precision


@pytest.fixture
def tensors(golden):
    return lambda name: {key: torch.from_numpy(array) for key, array in golden(name).items()}


def test_matrix(tensors, certify):
    arrays = tensors("gvsl_affine_matrix")
    ours = affine_matrix(*(arrays[key] for key in ("rot", "scale", "shear", "trans")))
    certify("gvsl_affine_matrix", "M = [H S R_z R_y R_x, t]", ours, arrays["mat"], scaled=SINGLE)


def test_matrix_step_by_step(tensors, certify):
    arrays = tensors("gvsl_aug_matrix")
    angles, scales, shears, shift = (arrays[key][None] for key in ("angles", "scales", "shears", "trans"))
    turn = rotation(angles)
    stretch = torch.diag_embed(scales) @ turn
    for ours, key, formula in (
        (turn, "rot", "R_z R_y R_x"),
        (stretch, "rot_scale", "S R"),
        (shearing(shears) @ stretch, "rot_scale_shear", "H S R"),
        (affine_matrix(angles, scales, shears, shift), "rot_scale_shear_trans", "[H S R, t]"),
    ):
        certify("gvsl_aug_matrix", formula, ours[0], arrays[key], scaled=SINGLE)


@pytest.mark.parametrize(
    ("matrix", "out"), [("mat", "out"), ("mat_identity", "out_identity"), ("mat_trans", "out_trans")]
)
def test_affine_warp(tensors, certify, matrix, out):
    arrays = tensors("gvsl_affine_apply")
    warped = affine_warp(arrays["src"], arrays[matrix], UNITS)
    certify("gvsl_affine_apply", "affine warp", warped, arrays[out], scaled=SINGLE)


def test_places_of_an_affine_warp(tensors, certify):
    arrays = tensors("gvsl_affine_apply")
    size = arrays["src"].shape[2:]
    divided = normalised(arrays["mat"], size)
    certify("gvsl_affine_apply", "translation over D, H, W", divided, arrays["mat_normalised"], atol=SINGLE)
    grid = affine_grid(arrays["mat"], size, UNITS)
    certify("gvsl_affine_apply", "sampled places", grid, arrays["grid"], scaled=SINGLE)


def test_dense_warp(tensors, certify):
    arrays = tensors("gvsl_stn_apply")
    flow = arrays["flow"]
    for displacement, key, formula in (
        (flow, "out", "dense warp"),
        (torch.zeros_like(flow), "out_zero_flow", "dense warp, zero flow"),
        (torch.full_like(flow, 0.5), "out_half_flow", "dense warp, flow of half a voxel"),
    ):
        warped = dense_warp(arrays["src"], displacement, align_corners=ALIGN_CORNERS)
        certify("gvsl_stn_apply", formula, warped, arrays[key], scaled=SINGLE)
    nearest = functional.grid_sample(arrays["src"], dense_grid(flow), mode="nearest", align_corners=ALIGN_CORNERS)
    certify("gvsl_stn_apply", "sampled places, nearest voxel", nearest, arrays["out_nearest"], atol=SINGLE)


def test_composition(tensors, certify):
    arrays = tensors("gvsl_warp_compose")
    warped = compose(arrays["src"], arrays["mat"], arrays["flow"], UNITS, dense_align_corners=ALIGN_CORNERS)
    certify("gvsl_warp_compose", "affine, then dense", warped, arrays["out"], scaled=SINGLE)


def seeded(arrays, what):
    """Return the name of an array whose draws had a seed, and the seed."""
    (name,) = (key for key in arrays if key.startswith(f"{what}_full_"))
    return name, int(re.search(r"\d+$", name)[0])


def one(value):
    return torch.tensor([float(value)], dtype=torch.float64)


def flow_of(drawn, noise):
    return elastic_flow(noise, one(drawn.amplitude), one(drawn.sigma), is_centred=ALIGN_CORNERS)


@pytest.mark.parametrize("array", ["gvsl_spatial_aug_even", "gvsl_spatial_aug_odd"])
class TestAugmentation:
    """The spatial augmentation on volumes of even and of odd lengths."""

    def test_kernel(self, tensors, certify, array):
        arrays = tensors(array)
        n = len(arrays["kernel1d"])
        row = gaussian_matrix(n, one(arrays["sigma"]))[0, n // 2]
        certify(array, "Gaussian kernel", row, arrays["kernel1d"], atol=1e-12)

    def test_offsets(self, tensors, certify, array):
        arrays = tensors(array)
        ours = elastic_offsets(arrays["noise"], one(arrays["alpha"]), one(arrays["sigma"]))
        certify(array, "elastic offsets", ours, arrays["offsets"], scaled=SINGLE)

    def test_ranges_of_nothing(self, tensors, certify, array):
        arrays = tensors(array)
        size = arrays["vol"].shape[2:]
        drawn = draw_spatial(STILL, size, np.random.RandomState(0))
        matrix, flow = torch.from_numpy(drawn.matrix)[None], flow_of(drawn, torch.zeros(1, 3, *size))
        certify(array, "matrix without augmentation", matrix, arrays["mat_no_aug"], atol=SINGLE)
        certify(array, "flow without augmentation", flow, arrays["flow_no_deform"], atol=SINGLE)
        seen = compose(arrays["vol"], matrix, flow, UNITS, dense_align_corners=ALIGN_CORNERS)
        certify(array, "volume without augmentation", seen, arrays["vol_noaug"], atol=SINGLE)

    def test_one_draw(self, tensors, certify, array):
        arrays = tensors(array)
        size = arrays["vol"].shape[2:]
        (matrix_key, matrix_seed), (flow_key, noise_seed) = seeded(arrays, "mat"), seeded(arrays, "flow")
        drawn = draw_spatial(LIMITS, size, np.random.RandomState(matrix_seed))
        torch.manual_seed(noise_seed)
        matrix, flow = torch.from_numpy(drawn.matrix)[None], flow_of(drawn, 2 * torch.rand(1, 3, *size) - 1)
        for ours, key, formula in (
            (matrix, matrix_key, "matrix of a seed"),
            (flow, flow_key, "flow of a seed"),
            (compose(arrays["vol"], matrix, flow, UNITS, dense_align_corners=ALIGN_CORNERS), "vol_aug", "volume"),
        ):
            certify(array, formula, ours, arrays[key], scaled=SINGLE)
