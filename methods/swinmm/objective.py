"""What SwinMM minimises, for any network: two observations of the same crops, four forward passes, five terms.

Shapes: n crops (n, 1, X, Y, Z).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from voxelbench.method import Losses

from .geometry import swap_axes, turn
from .losses import hidden_error, nt_xent, standardise


class Prediction(NamedTuple):
    """What the network says of n crops: logits of the turn (n, 4), an embedding (n, C), the crops (n, 1, X, Y, Z)."""

    turn: Tensor
    embedding: Tensor
    crops: Tensor


Network = Callable[[Tensor], Prediction]


class Branch(NamedTuple):
    """One observation: crops that were turned, by how many quarters (n,), which voxels are hidden, which axes swap."""

    crops: Tensor
    turns: Tensor
    hidden: Tensor
    swap: int


class Passes(NamedTuple):
    """The two predictions of a branch: of its masked crops, and of their permuted copy, mapped back."""

    plain: Prediction
    permuted_crops: Tensor


def observe(crops: Tensor, turns: Tensor, hidden: Tensor, swap: int) -> Branch:
    """Return the branch that turns each crop by its own `turns`; `hidden`, bool, is broadcast to the crops."""
    turned = turn(crops, turns)
    return Branch(turned, turns, hidden.expand_as(turned), swap)


def predict(network: Network, branch: Branch) -> Passes:
    """Pass the masked crops of a branch through the network, and once more with axes swapped."""
    masked = branch.crops.masked_fill(branch.hidden, 0)
    permuted = network(swap_axes(masked, branch.swap))
    return Passes(network(masked), swap_axes(permuted.crops, branch.swap))


def score(
    branches: tuple[Branch, Branch],
    passes: tuple[Passes, Passes],
    *,
    temperature: float,
    normalise_target: bool,
    divisor: float | None,
) -> Losses:
    """Return the five terms. Turn and embedding of a permuted pass cost nothing; branch 2 has no mutual term."""
    targets = torch.cat([branch.crops for branch in branches])
    targets = standardise(targets) if normalise_target else targets
    hidden = torch.cat([branch.hidden for branch in branches])
    first, second = passes
    return {
        "rotation": functional.cross_entropy(
            torch.cat([first.plain.turn, second.plain.turn]), torch.cat([branch.turns for branch in branches])
        ),
        "contrast": nt_xent(first.plain.embedding, second.plain.embedding, temperature),
        "reconstruction": hidden_error(torch.cat([first.plain.crops, second.plain.crops]), targets, hidden, divisor),
        "reconstruction_permuted": hidden_error(
            torch.cat([first.permuted_crops, second.permuted_crops]), targets, hidden, divisor
        ),
        "mutual": hidden_error(first.permuted_crops, first.plain.crops, branches[0].hidden, divisor),
    }
