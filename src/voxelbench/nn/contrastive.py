"""Contrastive losses on feature vectors."""

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(anchors: Tensor, positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of picking its positive out of all negatives, for each anchor (Oord et al. 2018, eq. 4).

    `anchors` and `positives` are (B, C), `negatives` (K, C), shared by all anchors. The similarity is the dot product:
    normalise the features beforehand for cosines.
    """
    own = (anchors * positives).sum(1, keepdim=True)  # (B, 1)
    logits = torch.cat([own, anchors @ negatives.T], 1) / temperature  # (B, 1 + K)
    return functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
