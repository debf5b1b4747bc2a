"""The loss terms of VoCo, one function each, of B volumes with R random and K base crops each. No term is weighted.

`overlap` (B, R, K) holds y, the share of a random crop that lies in a base crop, `similarity` (B, R, K) the s that
predicts it. Every term is taken for each volume and averaged over volumes, as released (models/voco_head.py).
"""

from torch import Tensor
from torch.nn import functional

_EPSILON = 1e-6  # under the logarithm and in the denominators, as released


def relu_cosine(anchors: Tensor, bases: Tensor) -> Tensor:
    """Return max(0, cos(p_i, q_k)), (B, R, K), of features (B, R, C) and (B, K, C)."""
    return functional.cosine_similarity(anchors[:, :, None], bases[:, None], dim=-1).relu()


def positive(overlap: Tensor, similarity: Tensor) -> Tensor:
    """Cross-entropy of the distance, weighted by overlap: -sum_ik y ln(1 - |y - s| + 1e-6) / (sum_ik y + 1e-6)."""
    distance = (overlap - similarity).abs()
    loss = -(overlap * (1 - distance + _EPSILON).log()).sum((1, 2)) / (overlap.sum((1, 2)) + _EPSILON)
    return loss.mean()


def negative(overlap: Tensor, similarity: Tensor) -> Tensor:
    """Mean s² over the base crops that a random crop does not touch: sum_ik [y = 0] s² / (sum_ik [y = 0] + 1e-6)."""
    apart = overlap == 0
    loss = (apart * similarity.square()).sum((1, 2)) / (apart.sum((1, 2)) + _EPSILON)
    return loss.mean()


def base(bases: Tensor) -> Tensor:
    """Mean of max(0, cos(q_k, q_l))² over the K (K - 1) / 2 pairs k < l of base crops (B, K, C).

    The gradient reaches q_k alone, the earlier of a pair; the last base crop gets none.
    """
    similarity = relu_cosine(bases, bases.detach())
    n_bases = bases.shape[1]
    loss = similarity.triu(diagonal=1).square().sum((1, 2)) / (n_bases * (n_bases - 1) / 2)
    return loss.mean()
