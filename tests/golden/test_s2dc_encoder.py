"""The trunk at the released size, with both kinds of patch merging, against MONAI before and since 1.5."""

import zlib

import numpy as np
import pytest
import torch

from voxelbench.config import read_encoder
from voxelbench.encoders.swin import LegacyPatchMerging, SwinTrunk

TOLERANCE = 2e-4  # BLAS and the number of threads move single precision this much


@pytest.fixture(scope="module", params=["legacy", "fixed"])
def trunk(request):
    """The trunk with weights that are a function of each parameter's name."""
    preset = read_encoder("swin48v2-legacy").model_copy(update={"merging": request.param, "checkpointing": False})
    trunk = SwinTrunk(preset, in_channels=1).eval()
    with torch.no_grad():
        for name, parameter in trunk.named_parameters():
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.02)
            if parameter.dim() == 1 and name.endswith("weight"):
                parameter += 1
    return trunk


@pytest.fixture
def name(trunk):
    """The array that the trunk's kind of merging has to match."""
    is_legacy = isinstance(trunk.swinViT.layers1[0].downsample, LegacyPatchMerging)
    return "s2dc_encoder_forward_legacy_merging" if is_legacy else "s2dc_encoder_forward"


@pytest.fixture
def arrays(golden, name):
    return golden(name)


def test_weights_are_filled_alike(trunk, arrays):
    weights = trunk.swinViT.patch_embed.proj.weight.detach().flatten()[:8]
    np.testing.assert_array_equal(weights, arrays["param_patch_embed_proj_weight_first8"])


def test_number_of_parameters(trunk):
    assert sum(parameter.numel() for parameter in trunk.parameters()) == 18_637_362


def test_last_map_of_a_small_crop(trunk, name, arrays, certify):
    with torch.no_grad():
        features = trunk(torch.rand(1, 1, 64, 64, 64, generator=torch.Generator().manual_seed(2)))
    certify(name, "last map of a crop of 64", features[-1], arrays["h4_crop64"], atol=TOLERANCE)


@pytest.mark.slow
def test_all_maps_of_a_released_crop(trunk, name, arrays, certify):
    volume = torch.rand(1, 1, 96, 96, 96, generator=torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(volume.flatten()[:8], arrays["x_first8"])
    with torch.no_grad():
        features = trunk(volume)
    for level, feature in enumerate(features):
        assert feature.shape == tuple(arrays[f"h{level}_shape"])
        certify(name, "deviation of each map", feature.std(), arrays[f"h{level}_std"], atol=TOLERANCE)
        means = feature.mean((0, 2, 3, 4))
        certify(name, "channel means of each map", means, arrays[f"h{level}_channel_mean"], atol=TOLERANCE)
    certify(name, "last map of a crop of 96", features[-1], arrays["h4"], atol=TOLERANCE)
