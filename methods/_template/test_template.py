"""What this method promises beyond the contract, which `voxelbench check` tests."""

import pytest
import torch

from voxelbench.nn.reconstruction import masked_mse


def test_visible_blocks_cost_nothing():
    target = torch.zeros(1, 4)
    prediction = torch.tensor([[9.0, 9.0, 1.0, 3.0]])
    assert masked_mse(prediction, target, torch.tensor([[False, False, True, True]])) == pytest.approx(5.0)
