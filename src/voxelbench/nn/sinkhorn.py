"""Optimal transport between two sets of tokens, with a dustbin for tokens without a match."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional


def log_optimal_transport(scores: Tensor, dustbin: float, iterations: int) -> Tensor:
    """Return the log transport plan (B, M + 1, N + 1) of scores (B, M, N), dustbin row and column last.

    Sarlin et al. 2020, "SuperGlue", section 3.2: each token has mass 1, each dustbin the mass of the whole other side;
    the plan is scaled so.
    """
    _, n_rows, n_columns = scores.shape
    row_mass, column_mass = scores.new_ones(n_rows + 1), scores.new_ones(n_columns + 1)
    row_mass[-1], column_mass[-1] = n_columns, n_rows
    return log_sinkhorn(functional.pad(scores, (0, 1, 0, 1), value=dustbin), row_mass, column_mass, iterations)


def log_sinkhorn(scores: Tensor, row_mass: Tensor, column_mass: Tensor, iterations: int) -> Tensor:
    """Return the log plan (B, M, N) that Sinkhorn's iterations make of exp(scores) for masses (M,) and (N,).

    Cuturi 2013, "Sinkhorn Distances", algorithm 1, with regularisation 1; the last step sets the columns. Gradients
    flow to the scores through all iterations.

    An iteration is two products of a vector with exp(scores), several times faster than log-sum-exps of a matrix and
    equal to them as long as the scores of one problem span less than about 80 (single precision).
    """
    scores = scores - scores.detach().amax((1, 2), keepdim=True)  # no plan depends on a constant
    row_scale, column_scale = _Scales.apply(scores.exp(), row_mass, column_mass, iterations)
    return scores + row_scale.log().transpose(1, 2) + column_scale.log()


class _Scales(Function):
    """Row scales r and column scales c, from c = 1: r = row_mass / (K c), c = column_mass / (K^T r), repeated.

    Autograd would write one matrix an iteration as the gradient of K; all of them together are two products of the
    stacked vectors. Vectors are rows (B, 1, N): a row times a matrix is the fast side of torch.bmm on CPU.
    """

    @staticmethod
    def forward(
        ctx: Any, kernel: Tensor, row_mass: Tensor, column_mass: Tensor, iterations: int
    ) -> tuple[Tensor, Tensor]:
        """Map K (B, M, N) and masses (M,), (N,) to scales (B, 1, M) and (B, 1, N)."""
        transposed = kernel.transpose(1, 2).contiguous()
        rows, columns = [], [torch.ones_like(column_mass).expand(len(kernel), 1, -1)]
        for _ in range(iterations):
            rows.append(row_mass / torch.bmm(columns[-1], transposed))
            columns.append(column_mass / torch.bmm(rows[-1], kernel))
        ctx.save_for_backward(kernel, row_mass, column_mass, torch.cat(rows, 1), torch.cat(columns, 1))
        return rows[-1], columns[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        """Go through the iterations backwards: d(mass / x) = -(mass / x)^2 / mass dx."""
        kernel, row_mass, column_mass, rows, columns = ctx.saved_tensors
        transposed = kernel.transpose(1, 2).contiguous()
        row_slopes, column_slopes = -rows.square() / row_mass, -columns.square() / column_mass
        row_grad, column_grad = grads
        row_steps, column_steps = [], []
        for row_slope, column_slope in zip(
            reversed(row_slopes.split(1, 1)), reversed(column_slopes[:, 1:].split(1, 1)), strict=True
        ):
            column_steps.append(column_grad * column_slope)
            row_steps.append((row_grad + torch.bmm(column_steps[-1], transposed)) * row_slope)
            column_grad, row_grad = torch.bmm(row_steps[-1], kernel), torch.zeros_like(row_grad)
        of_rows, of_columns = (torch.cat(steps[::-1], 1).transpose(1, 2) for steps in (row_steps, column_steps))
        return rows.transpose(1, 2) @ of_columns.transpose(1, 2) + of_rows @ columns[:, :-1], None, None, None
