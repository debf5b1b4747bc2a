import pytest
import torch

from voxelbench.nn.reconstruction import masked_mse


def test_averages_over_hidden_positions_and_their_values():
    prediction = torch.tensor([[[1.0, 3.0], [9.0, 9.0]]])
    assert masked_mse(prediction, torch.zeros(1, 2, 2), torch.tensor([[True, False]])).item() == pytest.approx(5.0)


def test_rejects_a_mask_that_hides_nothing():
    with pytest.raises(ValueError, match="hides none"):
        masked_mse(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.bool))
