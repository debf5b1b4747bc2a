"""Patch merging before and since MONAI 1.5 against arrays of both."""

import pytest
import torch
from monai.networks.nets.swin_unetr import PatchMerging, PatchMergingV2

from voxelbench.encoders.swin import LegacyPatchMerging


@pytest.mark.parametrize(
    ("merging", "kind"), [(LegacyPatchMerging, "legacy"), (PatchMerging, "fixed"), (PatchMergingV2, "v2")]
)
def test_merging(golden, certify, merging, kind):
    arrays = {name: torch.from_numpy(array) for name, array in golden("swin_merging").items()}
    module = merging(dim=arrays["x"].shape[-1], spatial_dims=3)
    module.load_state_dict(
        {name.replace("_", ".", 1): array for name, array in arrays.items() if name.startswith(("norm", "reduction"))}
    )
    certify("swin_merging", f"patch merging, {kind}", module(arrays["x"]), arrays[f"y_{kind}"], atol=1e-5)
