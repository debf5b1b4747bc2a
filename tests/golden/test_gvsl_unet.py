"""GVSL's U-Net: names and shapes at the released size, and what a small one makes of a volume that needs padding."""

import json
from pathlib import Path

import pytest
import torch

from voxelbench.config import read_encoder
from voxelbench.encoders.unet import UNetDecoder, UNetTrunk
from voxelbench.settings import UNetPreset


def state_of(trunk, decoder):
    return trunk.state_dict() | decoder.state_dict()


@pytest.fixture(scope="module")
def small():
    """The narrowest U-Net, of one channel."""
    preset = UNetPreset(name="small", family="unet", widths=(8, 8, 8, 8, 8))
    return UNetTrunk(preset, 1), UNetDecoder(preset)


def test_names_and_shapes(certify):
    array = "gvsl_unet_state_shapes"
    expected = json.loads((Path(__file__).parent / f"{array}.json").read_text("utf-8"))
    preset = read_encoder("gvsl-unet")
    state = state_of(UNetTrunk(preset, 1), UNetDecoder(preset))
    assert [[name, list(tensor.shape)] for name, tensor in state.items()] == expected
    certify(array, "parameters", sum(tensor.numel() for tensor in state.values()), 23_538_144, atol=0)


def test_features(golden, certify, fill_by_position):
    arrays = golden("gvsl_unet_small")
    preset = UNetPreset(name="small", family="unet", widths=tuple(arrays["chs"][:5].tolist()))
    trunk, decoder = UNetTrunk(preset, arrays["x"].shape[1]), UNetDecoder(preset)
    fill_by_position(state_of(trunk, decoder))
    volume = torch.from_numpy(arrays["x"])
    with torch.no_grad():
        maps = trunk(volume)
        decoded = decoder(maps, volume.shape[2:])
    certify("gvsl_unet_small", "coarsest map", maps[-1], arrays["f_global"], scaled=1e-5)
    certify("gvsl_unet_small", "finest map", decoded[-1], arrays["f_local"], atol=5e-5)


@pytest.mark.parametrize("size", [(16, 32, 48), (20, 24, 17)], ids=["whole", "padded"])
def test_maps_have_the_declared_channels_and_strides(small, size):
    trunk, decoder = small
    with torch.no_grad():
        maps = trunk(torch.zeros(2, 1, *size))
        decoded = decoder(maps, size)
    padded = [-(-length // 16) * 16 for length in size]
    for part, features in ((trunk, maps), (decoder, decoded[:-1])):
        for features_, channels, stride in zip(features, part.channels, part.strides, strict=False):
            assert features_.shape == (2, channels, *(length // stride for length in padded))
    assert decoded[-1].shape == (2, decoder.channels[-1], *size) and decoder.strides[-1] == 1


def test_convolutions_are_drawn_kaiming_normal():
    preset = UNetPreset(name="small", family="unet", widths=(32, 32, 32, 32, 32))
    torch.manual_seed(0)
    for name, weight in state_of(UNetTrunk(preset, 1), UNetDecoder(preset)).items():
        if weight.dim() == 5:
            expected = (2 / weight[0].numel()) ** 0.5
            assert weight.std().item() == pytest.approx(expected, rel=0.1), name
