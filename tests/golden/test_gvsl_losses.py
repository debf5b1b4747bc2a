"""GVSL's loss terms against the released code."""

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss

from voxelbench.methods.gvsl import losses

SINGLE = 1e-5  # the arrays are single precision
RELEASED_SUMS = 3e-5  # their window sums are up to 1e-5 away from those in double precision, five times as far as ours


@pytest.fixture
def tensors(golden):
    return lambda name: {key: torch.from_numpy(np.asarray(array)) for key, array in golden(name).items()}


@pytest.mark.parametrize("window", [9, 5])
def test_ncc(tensors, certify, window):
    arrays = tensors("gvsl_ncc")
    ours = losses.ncc(arrays["I"], arrays["J"], window)
    certify("gvsl_ncc", f"NCC, window {window}", ours, arrays[f"loss_win{window}"], atol=SINGLE)


def test_ncc_of_special_volumes(tensors, certify):
    arrays = tensors("gvsl_ncc")
    certify("gvsl_ncc", "NCC with itself", losses.ncc(arrays["I"], arrays["I"]), arrays["loss_self"], atol=SINGLE)
    constant = losses.ncc(arrays["I"], arrays["J_const"])
    certify("gvsl_ncc", "NCC, a constant region", constant, arrays["loss_const_region"], atol=SINGLE)
    double = losses.ncc(arrays["I"].double(), arrays["J"].double())
    certify("gvsl_ncc", "NCC, double precision", double, arrays["loss_win9_float64"], atol=5e-7)


def test_moments(tensors, certify):
    arrays = tensors("gvsl_ncc")
    moments = losses.local_moments(arrays["I"], arrays["J"], losses.NCC_WINDOW)
    for ours, key in zip(moments, ("I_var", "J_var", "cross"), strict=True):
        atol = RELEASED_SUMS * float(arrays[key].abs().max())
        certify("gvsl_ncc", f"sums of a window, {key}", ours, arrays[key], atol=atol)
    certify("gvsl_ncc", "squared local correlation", losses.correlation(moments), arrays["cc"], atol=RELEASED_SUMS)


def test_smoothness(tensors, certify):
    arrays = tensors("gvsl_smooth")
    certify("gvsl_smooth", "smoothness", losses.smoothness(arrays["flow"]), arrays["loss_l2"], scaled=SINGLE)


def test_restoration(tensors, certify):
    arrays = tensors("gvsl_mse")
    certify("gvsl_mse", "restoration", losses.restoration(arrays["a"], arrays["b"]), arrays["loss"], atol=SINGLE)


def test_downstream_loss_is_a_dice_loss_of_monai(tensors, certify):
    arrays = tensors("gvsl_dice")
    dice = DiceLoss(squared_pred=True, smooth_nr=1, smooth_dr=1)
    loss = dice(arrays["prob"], arrays["onehot"])
    certify("gvsl_dice", "MONAI's DiceLoss, squared, smoothed by 1", loss, arrays["loss"], atol=SINGLE)
    certify("gvsl_dice", "mean Dice score", 1 - loss, arrays["dice"], atol=SINGLE)
