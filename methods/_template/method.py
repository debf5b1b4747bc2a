"""Masked intensity: hide blocks of a crop, predict the mean intensity of each."""

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from voxelbench.data.case import Case
from voxelbench.data.crops import random_start, read_crop
from voxelbench.data.intensity import scale
from voxelbench.encoders.backbone import Backbone
from voxelbench.method import Batch, Losses, MethodConfig, Progress, Views
from voxelbench.method import Method as PretextMethod
from voxelbench.nn.reconstruction import masked_mse


class Config(MethodConfig):
    """What a method adds to the settings that all share: names, types and bounds. The numbers are in config.yaml."""

    block: int = Field(gt=0)
    hidden_share: float = Field(gt=0, lt=1)


def views(cases: tuple[Case, ...], config: Config, rng: np.random.RandomState) -> Views:
    """Draw a crop and the blocks of it that are hidden. Pure: equal cases and random state, equal result."""
    (case,) = cases
    volume = read_crop(case, random_start(case.shape, config.crop, rng), config.crop)
    blocks = [length // config.block for length in config.crop]
    hidden = rng.permutation(np.prod(blocks)) < config.hidden_share * np.prod(blocks)
    return {"volume": scale(volume, [config.intensity[case.modality]]), "hidden": hidden.reshape(blocks)}


class Method(PretextMethod):
    """An encoder, and a linear head on its last feature map."""

    needs = frozenset({"trunk"})
    config: Config

    def __init__(self, backbone: Backbone, config: Config) -> None:
        super().__init__(backbone, config)
        self.head = nn.Conv3d(backbone.trunk.channels[-1], 1, kernel_size=1)

    def forward(self, views: Batch, progress: Progress) -> Losses:  # noqa: ARG002
        """Return `reconstruction`, the term that config.yaml weights under the same name."""
        volume, hidden = views["volume"], views["hidden"]
        voxels = functional.interpolate(hidden[:, None].float(), volume.shape[2:], mode="nearest")  # (B, 1, X, Y, Z)
        features = self.backbone.trunk(torch.where(voxels.bool(), 0, volume))[-1]
        prediction = functional.interpolate(self.head(features), hidden.shape[1:], mode="trilinear")
        target = functional.avg_pool3d(volume, self.config.block)
        return {"reconstruction": masked_mse(prediction.flatten(1), target.flatten(1), hidden.flatten(1))}
