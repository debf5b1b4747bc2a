"""Alice: a student that sees a quarter of one patient agrees with a teacher that sees all of another, at one place."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from voxelbench.data.case import Case
from voxelbench.encoders.backbone import Backbone
from voxelbench.errors import ConfigError
from voxelbench.method import Batch, Losses, MethodConfig, ParameterGroup, Progress, Views, decay_groups
from voxelbench.method import Method as PretextMethod
from voxelbench.nn.ema import follow
from voxelbench.settings import Triple

from . import losses
from .casa import Alignment, CrossAttention
from .centre import Centre
from .head import Head, HeadSizes, Scores
from .masking import Mask, without
from .miners import Mining, mine
from .teacher import Teaching, new_teacher

N_VIEWS = 2
Branch = dict[str, nn.Module] | nn.ModuleDict
"""Student or teacher: `backbone` and `head`."""


class Config(MethodConfig):
    """Settings of Alice. An epoch is `epoch_steps` steps; prototypes are not trained in the first ones.

    Drop path is active in the first epoch, in student and teacher, or always, in the student.
    """

    mining: Mining
    mask: Mask
    head: HeadSizes
    casa: Alignment
    teacher: Teaching
    student_temperature: float = Field(gt=0)
    centre_momentum: float = Field(ge=0, le=1)
    epoch_steps: int = Field(gt=0)
    frozen_prototype_epochs: int = Field(ge=0)
    drop_path: Literal["first_epoch", "student"]

    @model_validator(mode="after")
    def _fits(self) -> "Config":
        if self.group_size != N_VIEWS:
            raise ValueError(f"group_size is {self.group_size}, but a sample is mined from a pair of cases; make it 2")
        if self.head.out % self.casa.heads:
            raise ValueError(f"head.out {self.head.out} does not split into {self.casa.heads} casa.heads; make it so")
        self.mask.check(self.crop)
        self.check_floors("mining.body_above", self.mining.body_above)
        return self


def views(cases: tuple[Case, ...], config: Config, rng: np.random.RandomState) -> Views:
    """Mine a crop of each of two cases that show one place of the body, and draw what is hidden of each."""
    query, anchor = cases
    crops = mine((query, anchor), config.mining, config.intensity, config.crop, rng)
    return {"crops": crops, "hidden": np.stack([config.mask.draw(config.crop, rng)[None] for _ in range(N_VIEWS)])}


class Method(PretextMethod):
    """Student and EMA teacher, each a backbone with a head; CASA, which reads both; and a reconstruction."""

    needs = frozenset({"trunk", "skips", "decoder"})
    config: Config

    def __init__(self, backbone: Backbone, config: Config) -> None:
        super().__init__(backbone, config)
        trunk, decoder = backbone.trunk, backbone.decoder
        assert decoder is not None, "the engine builds what `needs` names"
        _check_crop(config.crop, trunk.strides[-1])
        self.head = Head(trunk.channels[-1], decoder.channels[0], config.head)
        self.casa = CrossAttention(config.head.out, config.casa)
        stride = decoder.strides[-1]  # 2 of nnFormer; 1 of others, where this is a convolution of single voxels
        self.reconstruct = nn.ConvTranspose3d(decoder.channels[-1], 1, kernel_size=stride, stride=stride)
        self.teacher = new_teacher(backbone, self.head, config.teacher)
        self.centres = nn.ModuleDict(
            {term: Centre(config.head.out, config.centre_momentum) for term in ("cls", "patch")}
        )

    def _student(self) -> dict[str, nn.Module]:
        return {"backbone": self.backbone, "head": self.head}

    def before_step(self, progress: Progress) -> None:
        """Switch drop path on or off: the only layer of a backbone that tells training from evaluation."""
        is_first_epoch = progress.step < self.config.epoch_steps
        as_released = self.config.drop_path == "first_epoch"
        self.backbone.train(is_first_epoch or not as_released)
        self.teacher.train(is_first_epoch and as_released)

    def forward(self, views: Batch, progress: Progress) -> Losses:
        """Return `cls`, `patch` and `reconstruction`."""
        config, epoch = self.config, progress.step // self.config.epoch_steps
        crops, hidden = views["crops"].flatten(0, 1), views["hidden"].flatten(0, 1)
        with torch.no_grad():  # the teacher first: its pass leaves no activations behind, the student's does
            teacher, _ = self._describe(self.teacher, crops)
        trained = epoch >= config.frozen_prototype_epochs
        student, finest = self._describe(self._student(), without(crops, hidden), train_prototypes=trained)
        rebuilt = self.reconstruct(finest)
        with torch.autocast(crops.device.type, enabled=False):
            aligned = self.casa(student.encoder, student.decoder)
            with torch.no_grad():
                target = self.casa(student.encoder, getattr(teacher, config.casa.target))

        self.centres["cls"].observe(teacher.whole)
        self.centres["patch"].observe(target)
        tau = losses.Temperatures(config.teacher.temperature_in(epoch), config.student_temperature)
        with torch.autocast(crops.device.type, enabled=False):
            wholes = _by_view(teacher.whole), _by_view(student.whole)
            return {
                "cls": losses.cross_view(*wholes, self.centres["cls"].value, tau),
                "patch": losses.cross_entropy(target, aligned, self.centres["patch"].value, tau),
                "reconstruction": losses.reconstruction(rebuilt.float(), crops),
            }

    def after_step(self, progress: Progress) -> None:
        """Let the teacher follow the student, parameter by parameter of one name, and move the centres."""
        momentum = self.config.teacher.momentum_after(progress.fraction)
        for name, module in self._student().items():
            follow(self.teacher[name], module, momentum)
        for centre in self.centres.values():
            centre.update()

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return matrices, which decay, and the rest, which does not, of the student; and of CASA, never clipped."""
        student = nn.ModuleList([*self._student().values(), self.reconstruct])
        return [
            *decay_groups(student.named_parameters(), _is_matrix),
            *decay_groups(self.casa.named_parameters(), _is_matrix, clipped=False),
        ]

    @staticmethod
    def _describe(branch: Branch, volumes: Tensor, *, train_prototypes: bool = True) -> tuple[Scores, Tensor]:
        """Return the scores of volumes (B, 1, X, Y, Z), and the finest map of the decoder."""
        encoded, decoded = branch["backbone"](volumes)
        return branch["head"](encoded[-1], decoded[0], train_prototypes=train_prototypes), decoded[-1]


def _by_view(scores: Tensor) -> Tensor:
    """Make (2 B, K) into (B, 2, K)."""
    return scores.unflatten(0, (-1, N_VIEWS))


def _is_matrix(_name: str, parameter: nn.Parameter) -> bool:
    return parameter.dim() > 1


def _check_crop(crop: Triple, stride: int) -> None:
    if any(length % stride for length in crop):
        raise ConfigError(
            f"alice: crop {crop} has to be a multiple of the trunk's last stride {stride} in each axis; change `crop` "
            "or the encoder."
        )
