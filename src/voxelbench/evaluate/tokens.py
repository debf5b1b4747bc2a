"""Tokens of a frozen encoder, each with the organs that it holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch.nn import functional

from voxelbench.data.case import Case
from voxelbench.data.crops import Start, cut, read_label_crop
from voxelbench.data.loading import read_scaled
from voxelbench.encoders.backbone import Encoder
from voxelbench.errors import ConfigError
from voxelbench.evaluate.labels import Classes, class_masks
from voxelbench.recipes import TokenProbeRecipe

_LEAST_INSIDE = 0.5
"""A token of which less lies in the volume sees little but the repeated edge."""


@dataclass(frozen=True)
class Tokens:
    """N tokens: `features` float32 (N, C), and `holds` bool (N, classes), the classes that each token holds."""

    features: np.ndarray
    holds: np.ndarray


@dataclass(frozen=True)
class PlacedTokens:
    """N tokens of one case: `features` float32 (N, C), `shares` (N, classes) of its volume, `starts` int (N, 3).

    A start is the first voxel of a token on the case's grid.
    """

    features: np.ndarray
    shares: np.ndarray
    starts: np.ndarray


def read_tokens(
    trunk: Encoder, case: Case, channels: tuple[str, ...], classes: Classes, recipe: TokenProbeRecipe
) -> Tokens:
    """Encode a case as `read_placed_tokens` does, and label each token with the classes that it holds."""
    placed = read_placed_tokens(trunk, case, channels, classes, recipe)
    return Tokens(placed.features, placed.shares >= recipe.min_share)


def read_placed_tokens(
    trunk: Encoder, case: Case, channels: tuple[str, ...], classes: Classes, recipe: TokenProbeRecipe
) -> PlacedTokens:
    """Encode a case crop by crop, without overlap, and keep each token that lies in the volume for the most part."""
    volume = read_scaled(case, channels, recipe.intensity)
    x, y, z = (range(0, n, length) for n, length in zip(case.shape, recipe.crop, strict=True))
    parts = [_crop_tokens(trunk, volume, case, start, classes, recipe) for start in product(x, y, z)]
    return PlacedTokens(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _crop_tokens(
    trunk: Encoder, volume: np.ndarray, case: Case, start: Start, classes: Classes, recipe: TokenProbeRecipe
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    features = encode(trunk, cut(volume, start, recipe.crop), recipe.stride)
    masks = class_masks(read_label_crop(case, start, recipe.crop), classes)
    inside = np.zeros(recipe.crop, bool)
    inside[tuple(slice(n - a) for n, a in zip(case.shape, start, strict=True))] = True
    is_inside = token_shares(inside[None], recipe.stride)[:, 0] >= _LEAST_INSIDE
    shares = token_shares(masks, recipe.stride)
    starts = start + recipe.stride * np.indices([length // recipe.stride for length in recipe.crop]).reshape(3, -1).T
    return features[is_inside], shares[is_inside], starts[is_inside]


def join(tokens: Iterable[Tokens]) -> Tokens:
    """Return all tokens as one."""
    parts = list(tokens)
    return Tokens(np.concatenate([part.features for part in parts]), np.concatenate([part.holds for part in parts]))


def encode(trunk: Encoder, volume: np.ndarray, stride: int) -> np.ndarray:
    """Return the tokens (N, C) of a volume (channels, X, Y, Z) at a stride; no weight of the encoder takes a gradient.

    They are the voxels of the map at that stride, or of the next finer one, averaged over the cells of a token.

    Raises ConfigError if no map's stride divides it.
    """
    chosen = max((known for known in trunk.strides if stride % known == 0), default=None)
    if chosen is None:
        known = ", ".join(str(known) for known in trunk.strides)
        raise ConfigError(
            f"the token_probe recipe has stride {stride}, but the encoder's maps have strides {known}; set a multiple "
            "of one of them."
        )
    device = next(trunk.parameters()).device
    with torch.inference_mode():
        maps = trunk(torch.from_numpy(volume)[None].to(device))
        tokens = functional.avg_pool3d(maps[trunk.strides.index(chosen)], stride // chosen)
    return tokens[0].flatten(1).T.float().cpu().numpy()


def token_shares(masks: np.ndarray, stride: int) -> np.ndarray:
    """Return (N, K): the share of each token's volume that each mask of (K, X, Y, Z) covers, ordered as by `encode`."""
    x, y, z = (length // stride for length in masks.shape[1:])
    blocks = masks.reshape(len(masks), x, stride, y, stride, z, stride)
    return blocks.mean((2, 4, 6)).reshape(len(masks), -1).T
