"""Alice's masks against those of the released code, drawn from one seed."""

import numpy as np
import pytest
import torch

from voxelbench.methods.alice.masking import enlarged
from voxelbench.resolve import method_config
from voxelbench.runs import MethodId


@pytest.mark.parametrize("size", [32, 64])
def test_tubes_of_one_seed(golden, certify, size):
    name = f"alice_mask_roi{size}"
    arrays = golden(name)
    mask = method_config(MethodId.parse("alice.relpos"), "full").mask
    half = arrays["mask"].shape  # the released mask has half the resolution of the crop
    x, y, z = (2 * length for length in half)
    cells = mask.draw((x, y, z), np.random.RandomState(int(arrays["seed"])))
    ours = enlarged(torch.from_numpy(cells)[None, None], half)[0, 0]
    certify(name, "hidden voxels of a crop", ours, arrays["mask"], atol=0)
    counts = [cells[..., 0].size, cells[..., 0].sum()]
    certify(name, "columns, and those that are hidden", counts, [arrays["token_count"], arrays["mask_count"]], atol=0)
