"""S2DC's token pairs, token order and learning rates against the released code."""

import numpy as np
import torch

from voxelbench.config import read_method
from voxelbench.methods.s2dc.augmentation import VolumeAffine
from voxelbench.methods.s2dc.correspondence import token_map, token_pairs
from voxelbench.methods.s2dc.tiling import plane_tokens
from voxelbench.settings import Schedule
from voxelbench.training.schedule import learning_rate

SETTINGS = read_method("s2dc").settings


def test_pairs_and_matrices(golden, certify):
    arrays = golden("s2dc_corr")
    cases = [key.removesuffix("_params") for key in arrays if key.endswith("_params")]
    assert cases
    for case in cases:
        shift_x, shift_y, angle, scale = arrays[f"{case}_params"].tolist()
        affine = VolumeAffine((shift_x, shift_y), angle, scale)
        forward = token_map(affine, "upstream")
        certify("s2dc_corr", "matrix of the image", affine.image_matrix(), arrays[f"{case}_A_image"], atol=1e-10)
        certify("s2dc_corr", "matrix of eq. 1 as released", forward, arrays[f"{case}_A_gt"], atol=1e-10)

        length = int(arrays[f"{case}_roi_large"])
        pairs = token_pairs(forward, (length, length), SETTINGS["token_size"])
        assert len(pairs) == arrays[f"{case}_n"]
        expected = np.zeros_like(pairs)
        expected[arrays[f"{case}_src"], arrays[f"{case}_aug"]] = True
        certify("s2dc_corr", "pairs of eq. 1 as released", pairs, expected, atol=0)


def test_token_order(golden, certify):
    arrays = golden("s2dc_token_order")
    for case, expected in arrays.items():
        n_images = int(case.split("_b")[1])
        n_slices = len(expected) // n_images
        per_axis = n_slices  # the released crops are cubes
        n_crops = expected.shape[1] // per_axis**2
        side = round(n_crops**0.5)
        codes = torch.arange(n_images * n_crops * per_axis**3).reshape(-1, 1, per_axis, per_axis, per_axis)
        plane = plane_tokens(codes, (side, side))[..., 0].T
        certify("s2dc_token_order", "places of tokens in the plane", plane, expected, atol=0)


def test_learning_rate(golden, certify):
    arrays = golden("s2dc_lr")
    peak, schedule = SETTINGS["optimiser"]["lr"], Schedule(**SETTINGS["schedule"])
    rates = [learning_rate(int(step), SETTINGS["steps"], peak, schedule) for step in arrays["pretrain_step"]]
    certify("s2dc_lr", "learning rate at a step", rates, arrays["pretrain_lr"], atol=1e-10 * peak)
