"""Patch merging before and since MONAI 1.5 against arrays of both."""

import pytest
import torch
from monai.networks.nets.swin_unetr import PatchMerging, PatchMergingV2

from voxelbench.encoders.swin import LegacyPatchMerging


@pytest.mark.parametrize(
    ("merging", "expected"), [(LegacyPatchMerging, "y_legacy"), (PatchMerging, "y_fixed"), (PatchMergingV2, "y_v2")]
)
def test_merging(golden, merging, expected):
    arrays = {name: torch.from_numpy(array) for name, array in golden("swin_merging").items()}
    module = merging(dim=arrays["x"].shape[-1], spatial_dims=3)
    module.load_state_dict(
        {name.replace("_", ".", 1): array for name, array in arrays.items() if name.startswith(("norm", "reduction"))}
    )
    torch.testing.assert_close(module(arrays["x"]).detach(), arrays[expected], rtol=1e-5, atol=1e-6)
