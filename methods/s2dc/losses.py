"""The loss terms of S2DC, one function each; equation numbers are the poster's.

`similarity` (S, N, M) holds cosines between N source and M transformed tokens of S slices, `pairs` the ground truth
bool (S, N, M). No term is weighted.
"""

import torch
from torch import Tensor

from voxelbench.nn.contrastive import info_nce
from voxelbench.nn.sinkhorn import log_optimal_transport

_EPSILON = 1e-6  # clamp of a probability before its logarithm, as released


def optimal_transport(similarity: Tensor, dustbin: float, iterations: int) -> Tensor:
    """Assignment W (S, N, M) by entropic optimal transport: what eq. 2 is in the released code."""
    return log_optimal_transport(similarity, dustbin, iterations)[:, :-1, :-1].exp()


def dual_softmax(similarity: Tensor) -> Tensor:
    """Assignment W (S, N, M) = softmax over rows times softmax over columns, eq. 2."""
    return similarity.softmax(1) * similarity.softmax(2)


def patch_to_patch(assignment: Tensor, pairs: Tensor, with_negatives: bool = True) -> Tensor:
    """L_p2p, eq. 3: mean -log W over matching pairs of a slice, averaged over slices.

    `with_negatives` adds the mean -log(1 - W) over the other pairs, as released. A slice without pairs of one kind
    counts as 0 for that kind.
    """
    probability = assignment.clamp(_EPSILON, 1 - _EPSILON)
    loss = _mean_or_zero(-probability.log(), pairs)
    if with_negatives:
        loss = loss + _mean_or_zero(-torch.log1p(-probability), ~pairs)
    return loss.mean()


def _mean_or_zero(values: Tensor, where: Tensor) -> Tensor:
    """Mean over the chosen entries of each slice (S,); 0 where none is chosen."""
    return (values * where).sum((1, 2)) / where.sum((1, 2)).clamp(min=1)


def structure_weights(similarity: Tensor, dim: int, epsilon: float = 0.0) -> Tensor:
    """Weights of anchors by how far their best match stands out, eq. 4, softmaxed over anchors.

    The ratio is (max - mean) / (standard deviation + epsilon) along `dim`, unbiased; the poster says variance. Without
    an epsilon it is not finite where all similarities of an anchor are equal.
    """
    ratio = (similarity.amax(dim) - similarity.mean(dim)) / (similarity.std(dim) + epsilon)
    return ratio.softmax(1)


def patch_to_structure(
    similarity: Tensor,
    pairs: Tensor,
    assignment: Tensor | None = None,
    with_negatives: bool = True,
    epsilon: float = 0.0,
) -> Tensor:
    """L_p2s, eq. 5 and 6: -log of each match, weighted by both of its anchors, summed over a slice.

    A match is (1 + cosine) / 2 as released, or `assignment` where given, as in the poster. `with_negatives` adds the
    mean -log(1 - (1 + cosine) / 2) over the other pairs, as released. Gradients flow through the weights.
    """
    affinity = (1 + similarity) / 2
    columns, rows = (structure_weights(affinity, dim, epsilon) for dim in (1, 2))
    weights = (columns[:, None, :] + rows[:, :, None]) / 2
    affinity = affinity.clamp(_EPSILON, 1 - _EPSILON)
    match = affinity if assignment is None else assignment.clamp(_EPSILON, 1 - _EPSILON)
    loss = -(weights * match.log() * pairs).sum((1, 2))
    if with_negatives:
        loss = loss - (torch.log1p(-affinity) * ~pairs).sum((1, 2)) / (~pairs).sum((1, 2))
    return loss.mean()


def global_contrast(queries: Tensor, keys: Tensor, anchors: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """L_g: InfoNCE of one crop an image against its own augmented crop, on features (B, P, C) of any norm.

    `anchors` (B,) says which crop. Negatives are the augmented crops that are no image's positive, and the queue
    (K, C).
    """
    images = torch.arange(len(queries), device=queries.device)
    is_positive = torch.zeros(keys.shape[:2], dtype=torch.bool, device=keys.device)
    is_positive[images, anchors] = True
    negatives = torch.cat([keys[~is_positive], queue])
    return info_nce(queries[images, anchors], keys[is_positive], negatives, temperature)
