"""VoCo: predict where a random crop lies, by its overlap with base crops that tile the volume."""

import math
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from voxelbench.data.case import Case
from voxelbench.data.crops import cut
from voxelbench.encoders.backbone import Backbone
from voxelbench.errors import ConfigError
from voxelbench.method import Batch, Losses, MethodConfig, Progress, Views
from voxelbench.method import Method as PretextMethod
from voxelbench.nn.ema import follow, teacher_of
from voxelbench.nn.heads import ProjectionHead
from voxelbench.nn.recompute import crop_wise
from voxelbench.nn.resize import resize
from voxelbench.settings import Triple

from . import losses
from .augmentation import Augmentation, augment
from .position import Plane, base_positions, draw_position, overlaps
from .volume import stretched_foreground

Branch = dict[str, nn.Module] | nn.ModuleDict
"""Student or teacher: `trunk`, `skips` and `projector`."""


class Config(MethodConfig):
    """Settings of VoCo. The foreground is stretched to `crop` and tiled in X and Y into `crop_grid` base crops.

    Every crop is resized to `crop_size`. `foreground_above` is the floor of the foreground after scaling, by modality.
    The encoder sees `crops_per_pass` crops at a time and is run again for their gradients; null means all at once.
    """

    foreground_above: dict[str, float]
    crop_grid: Plane
    random_crops: int = Field(gt=0)
    crop_size: Triple
    augmentation: Augmentation
    head_hidden: int = Field(gt=0)
    head_out: int = Field(gt=0)
    teacher: Literal["ema", "none"]
    teacher_start: Literal["own", "copy"]
    teacher_momentum: float = Field(ge=0, le=1)
    crops_per_pass: int | None = Field(gt=0)

    @model_validator(mode="after")
    def _tiles(self) -> "Config":
        if self.n_bases < 2 or any(length % n for length, n in zip(self.crop, self.crop_grid, strict=False)):
            raise ValueError(
                f"crop {self.crop} does not tile into a {self.crop_grid} crop_grid of two base crops or more; "
                f"make its X and Y multiples of the grid"
            )
        return self

    @model_validator(mode="after")
    def _turns(self) -> "Config":
        if self.augmentation.turn_probability and self.crop_size[0] != self.crop_size[1]:
            raise ValueError(f"crop_size {self.crop_size} is not square in X and Y, so crops cannot turn; make it so")
        return self

    @model_validator(mode="after")
    def _knows_foreground(self) -> "Config":
        self.check_floors("foreground_above", self.foreground_above)
        return self

    @property
    def n_bases(self) -> int:
        """Base crops of one volume."""
        return self.crop_grid[0] * self.crop_grid[1]

    @property
    def cell(self) -> Plane:
        """Size in X and Y of every crop of the stretched volume."""
        return self.crop[0] // self.crop_grid[0], self.crop[1] // self.crop_grid[1]


def views(cases: tuple[Case, ...], config: Config, rng: np.random.RandomState) -> Views:
    """Draw random crops of one volume; cut them and all base crops, and augment each on its own."""
    (case,) = cases
    rule, floor = config.intensity[case.modality], config.foreground_above[case.modality]
    volume = stretched_foreground(case, rule, floor, config.crop)
    drawn = [draw_position(config.crop_grid, config.cell, rng) for _ in range(config.random_crops)]
    size = (*config.cell, config.crop[2])
    crops = [
        augment(resize(cut(volume, (x, y, 0), size), config.crop_size), config.augmentation, rng)
        for x, y in (*drawn, *base_positions(config.crop_grid, config.cell))
    ]
    return {
        "crops": np.stack(crops),  # random crops first
        "overlap": np.stack([overlaps(position, config.crop_grid, config.cell) for position in drawn]),
    }


class Described(NamedTuple):
    """Features of the random crops (B, R, C) and of the base crops (B, K, C)."""

    random: Tensor
    bases: Tensor


class Method(PretextMethod):
    """A student, and unless `teacher` is none an EMA teacher: each an encoder and a projector."""

    needs = frozenset({"trunk", "skips"})
    config: Config

    def __init__(self, backbone: Backbone, config: Config) -> None:
        super().__init__(backbone, config)
        self._check_crop_size(backbone.trunk.strides[-1])
        self.projector = self._new_projector()
        self.teacher = None if config.teacher == "none" else self._new_teacher()

    def _check_crop_size(self, stride: int) -> None:
        size = self.config.crop_size
        if math.prod(math.ceil(length / stride) for length in size) < 2:
            raise ConfigError(
                f"voco: crop_size {size} is a single voxel at the trunk's last stride, which instance normalisation "
                f"cannot take; make an axis longer than {stride}."
            )

    def _new_projector(self) -> ProjectionHead:
        first, second, third, _, last = self.backbone.trunk.channels
        return ProjectionHead(first + first + second + third + last, self.config.head_hidden, self.config.head_out)

    def _new_teacher(self) -> nn.ModuleDict:
        if self.config.teacher_start == "copy":
            return nn.ModuleDict({name: teacher_of(module) for name, module in self._student().items()})
        own = {**self.backbone.rebuild().parts(), "projector": self._new_projector()}
        return nn.ModuleDict(own).requires_grad_(False)

    def _student(self) -> dict[str, nn.Module]:
        return {**self.backbone.parts(), "projector": self.projector}

    def before_step(self, progress: Progress) -> None:  # noqa: ARG002
        """Let the teacher follow the student that the previous step left."""
        if self.teacher is not None:
            for name, module in self._student().items():
                follow(self.teacher[name], module, self.config.teacher_momentum)

    def forward(self, views: Batch, progress: Progress) -> Losses:  # noqa: ARG002
        """Return `positive`, `negative` and `base`."""
        with torch.no_grad():  # the teacher first: its passes leave no activations behind, the student's do
            teacher = None if self.teacher is None else self._describe(self.teacher, views["crops"])
        student = self._describe(self._student(), views["crops"])
        with torch.autocast(student.bases.device.type, enabled=False):
            similarity = _predict(student, teacher)
            return {
                "positive": losses.positive(views["overlap"], similarity),
                "negative": losses.negative(views["overlap"], similarity),
                "base": losses.base(student.bases),
            }

    def _describe(self, branch: Branch, crops: Tensor) -> Described:
        """Describe crops (B, R + K, 1, x, y, z). The projector's batch statistics are those of all crops together."""
        encode = partial(_pooled_maps, branch["trunk"], branch["skips"])
        pooled = torch.cat(crop_wise(encode, crops.flatten(0, 1), self.config.crops_per_pass), 1)
        features = branch["projector"](pooled).float().unflatten(0, crops.shape[:2])
        return Described(features[:, : self.config.random_crops], features[:, self.config.random_crops :])


def _pooled_maps(trunk: nn.Module, skips: nn.Module, crops: Tensor) -> tuple[Tensor, ...]:
    """Average each map of the skips over space, (N, C_i); the fifth is the trunk's own and left out."""
    full, half, quarter, eighth, _, coarse = skips(crops, trunk(crops))
    return tuple(feature.mean((2, 3, 4)) for feature in (full, half, quarter, eighth, coarse))


def _predict(student: Described, teacher: Described | None) -> Tensor:
    """Predict overlaps (B, R, K) by similarity: between student and teacher both ways, or within the student.

    Without a teacher the gradient reaches the random crops alone.
    """
    if teacher is None:
        return losses.relu_cosine(student.random, student.bases.detach())
    forth = losses.relu_cosine(student.random, teacher.bases)
    back = losses.relu_cosine(teacher.random, student.bases)
    return (forth + back) / 2
