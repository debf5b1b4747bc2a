import math

import torch

from voxelbench.nn.sinkhorn import log_optimal_transport


def test_rows_and_columns_carry_their_masses():
    scores = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plan = log_optimal_transport(scores, dustbin=1.0, iterations=200).exp()
    torch.testing.assert_close(plan.sum(2), torch.tensor([1.0, 1, 1, 1, 6]).double().expand(2, -1), rtol=0, atol=1e-6)
    torch.testing.assert_close(plan.sum(1), torch.tensor([1.0, 1, 1, 1, 1, 1, 4]).double().expand(2, -1))


def test_equals_iterated_normalisation_of_a_matrix():
    scores = torch.randn(1, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    plan = torch.full((4, 3), math.e, dtype=torch.float64) ** 0.5
    plan[:3, :2] = scores[0].exp()
    rows, columns = torch.tensor([1.0, 1, 1, 2]).double(), torch.tensor([1.0, 1, 3]).double()
    for _ in range(5):
        plan = plan * (rows / plan.sum(1))[:, None]
        plan = plan * (columns / plan.sum(0))[None, :]
    torch.testing.assert_close(log_optimal_transport(scores, dustbin=0.5, iterations=5)[0].exp(), plan)
