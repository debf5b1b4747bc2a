"""Less memory for more time: pass crops through a network a few at a time, and once more for their gradients."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Maps = TypeVar("Maps", bound=tuple[Tensor, ...])


def crop_wise(network: Callable[[Tensor], Maps], crops: Tensor, crops_per_pass: int | None) -> Maps:
    """Return `network(crops)`, computed on `crops_per_pass` of the crops (B, C, X, Y, Z) at a time; None means all.

    The forward pass keeps nothing but the crops and the maps; the backward pass runs the network again, part by part,
    so that memory grows with `crops_per_pass` and not with B. Equal to one pass where the network treats each crop on
    its own: batch normalisation does not.
    """
    if crops_per_pass is None:
        return network(crops)
    parts = [checkpoint(network, part, use_reentrant=False) for part in crops.split(crops_per_pass)]
    return tuple(torch.cat(maps) for maps in zip(*parts, strict=True))  # type: ignore[return-value]
