"""The two ways in which SwinMM looks at a crop from elsewhere: quarter turns, and axes that change places."""

import torch
from torch import Tensor

N_TURNS = 4

SWAPS = {1: (-3, -2), 2: (-3, -1)}
"""The permutations that are drawn, by their released number: X with Y, and X with Z. The identity is not among them."""


def turn(crops: Tensor, turns: Tensor) -> Tensor:
    """Rotate each crop (n, C, X, Y, Z) by its own number of quarter turns (n,) in the Y-Z plane, from Y towards Z."""
    return torch.stack([crop.rot90(number, (-2, -1)) for crop, number in zip(crops, turns.tolist(), strict=True)])


def swap_axes(crops: Tensor, swap: int) -> Tensor:
    """Let two axes of (n, C, X, Y, Z) change places; its own inverse."""
    return crops.transpose(*SWAPS[swap])
