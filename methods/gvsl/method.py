"""GVSL: warp the scan of one patient to that of another, and undo the damage done to the latter."""

from typing import Literal, TypeVar

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor

from voxelbench.data.case import Case
from voxelbench.data.crops import random_start
from voxelbench.data.loading import read_scaled_crop
from voxelbench.encoders.backbone import Backbone, Decoder
from voxelbench.errors import ConfigError
from voxelbench.method import Batch, Losses, MethodConfig, Progress, Views
from voxelbench.method import Method as PretextMethod
from voxelbench.settings import IntensityRule

from . import losses
from .appearance import SHORTEST, Damage, damage
from .registration import Features, Registration, compose
from .spatial import SpatialRange, draw_noise, draw_spatial, elastic_flow
from .warps import Units

Volumes = TypeVar("Volumes", Tensor, np.ndarray)


class Config(MethodConfig):
    """Settings of GVSL. `damage` befalls the fixed image, one draw of `spatial` all images of a sample.

    A `detached` affine head stays as drawn. `affine_units` and `dense_align_corners` are the coordinates of the warps.
    """

    damage: Damage
    spatial: SpatialRange
    affine: Literal["detached", "trained"]
    affine_units: Units
    dense_align_corners: bool

    @model_validator(mode="after")
    def _pairs(self) -> "Config":
        if self.group_size != 2:
            raise ValueError(f"group_size is {self.group_size}, but GVSL registers pairs of cases; make it 2")
        return self

    @model_validator(mode="after")
    def _holds_blocks(self) -> "Config":
        if min(self.crop) < SHORTEST:
            raise ValueError(f"crop {self.crop} is too short to be damaged; give each axis {SHORTEST} voxels or more")
        return self


def views(cases: tuple[Case, ...], config: Config, rng: np.random.RandomState) -> Views:
    """Draw a crop of each case, the damage to the first, and the spatial augmentation of both.

    Crops are (1, X, Y, Z); the draws of the augmentation, `noise` (3, Z, Y, X) among them, are on array axes.
    """
    fixed_case, moving_case = cases
    rule = config.intensity[fixed_case.modality]
    fixed, moving = (_draw_crop(case, config, rng) for case in (fixed_case, moving_case))
    damaged = _damaged(fixed, rule, config.damage, rng)
    size = config.crop[::-1]
    drawn = draw_spatial(config.spatial, size, rng)
    return {
        "fixed": fixed,
        "damaged": damaged,
        "moving": moving,
        "matrix": drawn.matrix,
        "amplitude": np.float32(drawn.amplitude),
        "sigma": np.float32(drawn.sigma),
        "noise": draw_noise(size, rng),
    }


def _draw_crop(case: Case, config: Config, rng: np.random.RandomState) -> np.ndarray:
    rules = [config.intensity[case.modality]]
    return read_scaled_crop(case, case.channels[:1], rules, random_start(case.shape, config.crop, rng), config.crop)


def _damaged(crop: np.ndarray, rule: IntensityRule, limits: Damage, rng: np.random.RandomState) -> np.ndarray:
    """Damage a crop, whose 0..1 is that of its window, or else from its minimum to its maximum."""
    low, high = (0.0, 1.0) if rule.kind == "window" else (float(crop.min()), float(crop.max()))
    if low == high:
        return crop
    damaged = damage(turned((crop - low) / (high - low)), limits, rng)
    return np.ascontiguousarray(turned(low + damaged * np.float32(high - low)))


class Method(PretextMethod):
    """One backbone for both images, and three heads. Damage, warps and heads see axes Z, Y, X, the backbone X, Y, Z."""

    needs = frozenset({"trunk", "skips", "decoder"})
    config: Config

    def __init__(self, backbone: Backbone, config: Config) -> None:
        super().__init__(backbone, config)
        self.registration = Registration(
            backbone.trunk.channels[-1],
            _full_resolution(backbone).channels[-1],
            affine=config.affine,
            affine_units=config.affine_units,
            dense_align_corners=config.dense_align_corners,
        )

    def forward(self, views: Batch, progress: Progress) -> Losses:  # noqa: ARG002
        """Return `ncc`, `smooth` and `restoration`."""
        fixed, damaged, moving = self._augmented(views).split(1, 1)
        of_moving, of_damaged = self._features(moving, damaged)
        prediction = self.registration(of_moving, of_damaged, moving)
        with torch.autocast(fixed.device.type, enabled=False):
            return {
                "ncc": losses.ncc(prediction.warped, fixed),
                "smooth": losses.smoothness(prediction.flow),
                "restoration": losses.restoration(prediction.restored, fixed),
            }

    @torch.no_grad()
    def _augmented(self, views: Batch) -> Tensor:
        """Return fixed, damaged and moving image as channels (B, 3, Z, Y, X), all moved by one draw."""
        images = turned(torch.cat([views["fixed"], views["damaged"], views["moving"]], 1))
        align_corners = self.config.dense_align_corners
        with torch.autocast(images.device.type, enabled=False):
            flow = elastic_flow(views["noise"], views["amplitude"], views["sigma"], is_centred=align_corners)
            return compose(images, views["matrix"], flow, self.config.affine_units, dense_align_corners=align_corners)

    def _features(self, *images: Tensor) -> list[Features]:
        """Describe images (B, 1, Z, Y, X) in one pass; features are on the same axes."""
        pyramid = self.backbone(turned(torch.cat(images)))
        maps = (turned(features).float().chunk(len(images)) for features in (pyramid.encoded[-1], pyramid.decoded[-1]))
        return [Features(*pair) for pair in zip(*maps, strict=True)]


def turned(volumes: Volumes) -> Volumes:
    """Return (..., X, Y, Z) of (..., Z, Y, X), and the other way round."""
    return volumes.swapaxes(-1, -3)


def _full_resolution(backbone: Backbone) -> Decoder:
    decoder = backbone.decoder
    if decoder is None or decoder.strides[-1] != 1:
        raise ConfigError(
            f"gvsl: the encoder {backbone.trunk.preset.name} has no decoder that ends at full resolution, where flows "
            "are; choose one of the families swin and unet."
        )
    return decoder
