"""The projection head of student and teacher: from a backbone's features to scores over prototypes."""

from itertools import pairwise
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.validation import Strict

_DEVIATION = 0.02  # of the MLP's first weights; released, as in DINO


class HeadSizes(Strict):
    """Channels of the MLP's hidden layers and of its output, and the number of prototypes."""

    hidden: int = Field(gt=0)
    bottleneck: int = Field(gt=0)
    out: int = Field(gt=0)


class Scores(NamedTuple):
    """Cosines to K prototypes: of the whole crop (B, K), of encoder tokens (B, T, K), of decoder tokens (B, S, K)."""

    whole: Tensor
    encoder: Tensor
    decoder: Tensor


class Prototypes(nn.Module):
    """Directions that features are compared with: a linear layer without bias, weight-normed with gains fixed to 1."""

    def __init__(self, channels: int, n_prototypes: int) -> None:
        super().__init__()
        self.weight_v = nn.Parameter(nn.Linear(channels, n_prototypes, bias=False).weight.detach())

    def forward(self, features: Tensor, *, trained: bool) -> Tensor:
        """Map (..., channels) to cosines (..., K). Prototypes that are not `trained` take no gradient, features do.

        In single precision always: the teacher's temperature turns what bfloat16 rounds off a cosine into odds.
        """
        directions = self.weight_v if trained else self.weight_v.detach()
        with torch.autocast(features.device.type, enabled=False):
            unit = functional.normalize(features.float(), dim=-1)
            return functional.linear(unit, functional.normalize(directions, dim=1))


class Head(nn.Module):
    """One MLP for the whole crop and for its tokens, which pass a linear layer of their own before it.

    Whole crops are compared with the prototypes of `last_layer`, tokens with those of `last_layer2`. Names of weights
    are those of the released code.
    """

    def __init__(self, coarse: int, tap: int, sizes: HeadSizes) -> None:
        super().__init__()
        widths = coarse, sizes.hidden, sizes.hidden, sizes.bottleneck
        first, second, third = (nn.Linear(*pair) for pair in pairwise(widths))
        self.mlp = nn.Sequential(first, nn.GELU(), second, nn.GELU(), third).apply(_start_small)
        self.last_layer = Prototypes(sizes.bottleneck, sizes.out)
        self.last_layer2 = Prototypes(sizes.bottleneck, sizes.out)
        self.mlp3 = nn.Linear(coarse, coarse)
        self.mlp4 = nn.Linear(tap, coarse)

    def forward(self, coarse: Tensor, tap: Tensor, *, train_prototypes: bool = True) -> Scores:
        """Compare a trunk's last map (B, C, x, y, z) and a decoder's first map (B, D, u, v, w) with the prototypes."""
        whole = self.mlp(coarse.mean((2, 3, 4)))
        encoder = self.mlp(self.mlp3(tokens(coarse)))
        decoder = self.mlp(self.mlp4(tokens(tap)))
        return Scores(
            self.last_layer(whole, trained=train_prototypes),
            self.last_layer2(encoder, trained=train_prototypes),
            self.last_layer2(decoder, trained=train_prototypes),
        )


def tokens(features: Tensor) -> Tensor:
    """Return a map (B, C, x, y, z) as tokens (B, x * y * z, C), row-major."""
    return features.flatten(2).transpose(1, 2)


@torch.no_grad()
def _start_small(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=_DEVIATION)
        nn.init.zeros_(layer.bias)
