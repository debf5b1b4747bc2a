"""The loss terms of SwinMM, one pure function each. No term is weighted."""

import torch
from torch import Tensor
from torch.nn import functional

_EPSILON = 1e-6  # added to the variance of a target, as released


def standardise(crops: Tensor) -> Tensor:
    """Return (x - mean) / sqrt(var + 1e-6) of each crop (n, C, X, Y, Z) as a whole; the variance is unbiased."""
    variance, mean = torch.var_mean(crops, (1, 2, 3, 4), keepdim=True)
    return (crops - mean) / (variance + _EPSILON).sqrt()


def hidden_error(prediction: Tensor, target: Tensor, hidden: Tensor, divisor: float | None = None) -> Tensor:
    """Masked squared error: mean over all voxels of (hidden * (prediction - target))^2, over a share of the voxels.

    `hidden` is bool, broadcast to the crops (n, 1, X, Y, Z). The share is the hidden one by default, so that the error
    is the mean over hidden voxels; `divisor` replaces it.
    """
    error = ((prediction - target) * hidden).square().mean()
    return error / (hidden.float().mean() if divisor is None else divisor)


def nt_xent(embeddings: Tensor, others: Tensor, temperature: float) -> Tensor:
    """Mean over all 2n embeddings (n, C) of -log(exp(s_ij / T) / sum_{k != i} exp(s_ik / T)), s the cosine.

    Row i of both is one crop: a positive pair ij, and the only one. Chen et al. 2020, "SimCLR", eq. 1.
    """
    n_pairs = len(embeddings)
    unit = functional.normalize(torch.cat([embeddings, others]), dim=1)
    logits = (unit @ unit.T / temperature).fill_diagonal_(-torch.inf)
    positives = torch.arange(2 * n_pairs, device=logits.device).roll(n_pairs)
    return functional.cross_entropy(logits, positives)
