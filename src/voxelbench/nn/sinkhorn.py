"""Optimal transport between two sets of tokens in the log domain, with a dustbin for tokens without a match."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def log_optimal_transport(scores: Tensor, dustbin: float, iterations: int) -> Tensor:
    """Return the log transport plan (B, M + 1, N + 1) of scores (B, M, N), dustbin row and column last.

    Sarlin et al. 2020, "SuperGlue", section 3.2: each token has mass 1, each dustbin the mass of the whole other side;
    the plan is scaled so. Gradients flow through all iterations.
    """
    _, n_rows, n_columns = scores.shape
    bordered = functional.pad(scores, (0, 1, 0, 1), value=dustbin)
    log_total = math.log(n_rows + n_columns)
    log_row_mass = _log_mass(n_rows, n_columns, scores) - log_total
    log_column_mass = _log_mass(n_columns, n_rows, scores) - log_total
    row_potential = scores.new_zeros(n_rows + 1)[None, :, None]
    column_potential = scores.new_zeros(n_columns + 1)[None, None, :]
    for _ in range(iterations):
        row_potential = log_row_mass[:, None] - torch.logsumexp(bordered + column_potential, 2, keepdim=True)
        column_potential = log_column_mass[None, :] - torch.logsumexp(bordered + row_potential, 1, keepdim=True)
    return bordered + row_potential + column_potential + log_total


def _log_mass(n_tokens: int, n_others: int, like: Tensor) -> Tensor:
    """Log masses (n_tokens + 1,): 1 for each token, `n_others` for the dustbin."""
    mass = like.new_zeros(n_tokens + 1)
    mass[-1] = math.log(n_others)
    return mass
