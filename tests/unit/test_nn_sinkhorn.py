"""Sinkhorn's iterations against POT, against hand-written ones, and by their marginals."""

import math

import ot
import pytest
import torch

from voxelbench.nn.sinkhorn import log_optimal_transport, log_sinkhorn


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


@pytest.mark.parametrize("shape", [(5, 5), (4, 7)])
def test_plan_without_dustbins_is_that_of_pot(shape):
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    masses = [torch.full((n,), 1 / n, dtype=torch.float64) for n in shape]
    expected = ot.sinkhorn(*masses, -scores, reg=1.0, numItermax=2000, stopThr=1e-14)
    plan = log_sinkhorn(scores[None], *masses, iterations=500).exp()
    torch.testing.assert_close(plan[0], expected, rtol=0, atol=1e-10)


def test_gradient_is_that_of_finite_differences():
    scores = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda scores: log_optimal_transport(scores, 0.7, 6), scores)


def test_large_scores_stay_finite_in_single_precision():
    scores = torch.tensor([[[40.0, -40.0], [-40.0, 40.0]]], requires_grad=True)
    plan = log_optimal_transport(scores, dustbin=1.0, iterations=100)
    plan.exp().sum().backward()
    assert plan.isfinite().all()
    assert scores.grad.isfinite().all()
