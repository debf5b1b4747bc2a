"""S2DC: contrast tokens with their moved selves (p2p), weighted by structure (p2s), and whole crops (global)."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.data.case import Case
from voxelbench.encoders.backbone import Backbone
from voxelbench.errors import ConfigError
from voxelbench.method import Batch, Losses, MethodConfig, Progress, Views
from voxelbench.method import Method as PretextMethod
from voxelbench.nn.ema import follow, teacher_of
from voxelbench.nn.heads import ProjectionHead
from voxelbench.nn.queue import FeatureQueue
from voxelbench.nn.recompute import crop_wise

from . import losses
from .augmentation import (
    CropAffineRange,
    IntensityShift,
    Mode,
    VolumeAffineRange,
    draw_crop_affine,
    draw_intensity_shifts,
    draw_volume_affine,
    resample,
)
from .correspondence import GroundTruth, token_map, token_pairs
from .tiling import plane_tokens, tile
from .volume import draw_volume

Branch = dict[str, nn.Module] | nn.ModuleDict
"""Student or teacher: `trunk`, `token_head` and `crop_head`."""


class Config(MethodConfig):
    """Settings of S2DC. The volume is cut to `crop`, then tiled in X and Y into `crop_grid` crops of full depth.

    A token is `token_size` voxels wide: the stride of one of the trunk's maps, by default the last. The networks see
    `crops_per_pass` crops at a time and are run again for their gradients; null means all at once.
    """

    crop_grid: tuple[int, int]
    token_size: int = Field(gt=0)
    augmentation: Mode
    volume_affine: VolumeAffineRange
    crop_affine: CropAffineRange
    intensity_shift: IntensityShift
    ground_truth: GroundTruth
    head_hidden: int = Field(gt=0)
    head_out: int = Field(gt=0)
    assignment: Literal["sinkhorn", "dual_softmax"]
    assignment_temperature: float = Field(ge=0.05)
    sinkhorn_iterations: int = Field(gt=0)
    sinkhorn_dustbin: float
    p2p_negatives: bool
    p2s_on: Literal["cosine", "assignment"]
    p2s_negatives: bool
    global_temperature: float = Field(gt=0)
    queue_per_image: int = Field(gt=0)
    teacher_momentum: float = Field(ge=0, le=1)
    p2s_epsilon: float = Field(ge=0)
    crops_per_pass: int | None = Field(gt=0)

    @model_validator(mode="after")
    def _tiles(self) -> "Config":
        cells = (*self.crop_grid, 1)
        step = [n * self.token_size for n in cells]
        if any(length % least for length, least in zip(self.crop, step, strict=True)):
            raise ValueError(
                f"crop {self.crop} does not tile into a {self.crop_grid} crop_grid of whole tokens; "
                f"make it a multiple of {tuple(step)}"
            )
        if self.batch > self.n_crops:
            raise ValueError(f"batch {self.batch} needs as many anchor crops, but crop_grid has only {self.n_crops}")
        return self

    @property
    def n_crops(self) -> int:
        """Crops of one volume."""
        return self.crop_grid[0] * self.crop_grid[1]


def views(cases: tuple[Case, ...], config: Config, rng: np.random.RandomState) -> Views:
    """Draw one volume, an affine map of it with its token pairs, and an affine map of each of its crops."""
    (case,) = cases
    affine = draw_volume_affine(config.volume_affine, rng)
    forward = token_map(affine, config.ground_truth)
    crop_affines = [draw_crop_affine(config.crop_affine, config.augmentation, rng) for _ in range(config.n_crops)]
    shift = (config.intensity_shift, config.augmentation, config.n_crops)
    return {
        "volume_affine": affine.image_matrix().astype(np.float32),
        "volume_shift": draw_intensity_shifts(*shift, rng),
        "crop_affine": np.stack(crop_affines).astype(np.float32),
        "crop_shift": draw_intensity_shifts(*shift, rng),
        "pairs": token_pairs(forward, config.crop[:2], config.token_size),
        "volume": draw_volume(case, config.intensity[case.modality], config.crop, rng),
    }


class Method(PretextMethod):
    """Student and EMA teacher, each an encoder with a head for tokens and a head for crops."""

    needs = frozenset({"trunk"})
    config: Config

    def __init__(self, backbone: Backbone, config: Config) -> None:
        super().__init__(backbone, config)
        trunk = backbone.trunk
        if config.token_size not in trunk.strides:
            raise ConfigError(
                f"s2dc: token_size is {config.token_size} voxels, but the trunk's maps have the strides "
                f"{', '.join(map(str, trunk.strides))}; set one of them."
            )
        self.token_map = trunk.strides.index(config.token_size)
        self.token_head = ProjectionHead(trunk.channels[self.token_map], config.head_hidden, config.head_out)
        self.crop_head = ProjectionHead(trunk.channels[-1], config.head_hidden, config.head_out)
        self.teacher = nn.ModuleDict({name: teacher_of(module) for name, module in self._student().items()})
        self.queue = FeatureQueue(config.queue_per_image * config.batch, config.head_out)
        self._to_enqueue: list[Tensor] = []

    def _student(self) -> dict[str, nn.Module]:
        return {"trunk": self.backbone.trunk, "token_head": self.token_head, "crop_head": self.crop_head}

    def before_step(self, progress: Progress) -> None:  # noqa: ARG002
        """Let the teacher follow the student that the previous step left."""
        self._to_enqueue.clear()
        for name, module in self._student().items():
            follow(self.teacher[name], module, self.config.teacher_momentum)

    def forward(self, views: Batch, progress: Progress) -> Losses:
        """Return `p2p`, `p2s` and `global`; only the student's pass over the plain crops takes a gradient."""
        n_images = len(views["volume"])
        plain = tile(views["volume"], self.config.crop_grid)
        with torch.no_grad():  # the teacher first: its passes leave no activations behind, the student's do
            moved, jittered = self._augment(views, plain)
            moved_tokens = self._tokens(self.teacher, self._maps(self.teacher, moved))
            jittered_crops = self._crops(self.teacher, self._maps(self.teacher, jittered))
            plain_crops = self._crops(self.teacher, self._maps(self.teacher, plain))
        maps = self._maps(self._student(), plain)
        tokens, crops = self._tokens(self._student(), maps), self._crops(self._student(), maps)

        draw = progress.rng.choice(self.config.n_crops, n_images, replace=False)
        anchors = torch.from_numpy(draw).to(tokens.device)
        self._to_enqueue.append(plain_crops[torch.arange(n_images, device=anchors.device), anchors])

        pairs = views["pairs"].repeat_interleave(len(tokens) // n_images, 0)
        with torch.autocast(tokens.device.type, enabled=False):
            local = self._local_losses(tokens @ moved_tokens.transpose(1, 2), pairs)
            contrast = losses.global_contrast(
                crops, jittered_crops, anchors, self.queue.rows, self.config.global_temperature
            )
        return {**local, "global": contrast}

    def after_step(self, progress: Progress) -> None:  # noqa: ARG002
        """Queue the teacher's features of the anchor crops."""
        self.queue.enqueue(torch.cat(self._to_enqueue))

    @torch.no_grad()
    def _augment(self, views: Batch, plain: Tensor) -> tuple[Tensor, Tensor]:
        """Return the crops of the moved volume, and the plain crops each moved on its own; both (B * P, 1, x, y, Z)."""
        with torch.autocast(plain.device.type, enabled=False):
            moved = tile(resample(views["volume"], views["volume_affine"]), self.config.crop_grid)
            jittered = resample(plain + _per_crop(views["crop_shift"]), views["crop_affine"].flatten(0, 1))
            return moved + _per_crop(views["volume_shift"]), jittered

    def _maps(self, branch: Branch, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return the trunk's map that tokens are read from, and its last map."""

        def chosen(crops: Tensor) -> tuple[Tensor, Tensor]:
            maps = branch["trunk"](crops)
            return maps[self.token_map], maps[-1]

        return crop_wise(chosen, crops, self.config.crops_per_pass)

    def _tokens(self, branch: Branch, maps: tuple[Tensor, Tensor]) -> Tensor:
        """Describe each token by a unit vector: (B * Z, N, head_out), every slice a matching problem of its own."""
        described = branch["token_head"](plane_tokens(maps[0], self.config.crop_grid)).float()
        return functional.normalize(described, dim=-1).transpose(0, 1)

    def _crops(self, branch: Branch, maps: tuple[Tensor, Tensor]) -> Tensor:
        """Describe each crop by a vector of any norm: (B, P, head_out)."""
        described = branch["crop_head"](maps[1].mean((2, 3, 4))).float()
        return described.unflatten(0, (-1, self.config.n_crops))

    def _local_losses(self, similarity: Tensor, pairs: Tensor) -> Losses:
        """Return `p2p` and `p2s` of cosines (B * Z, N, N)."""
        config = self.config
        scores = similarity / config.assignment_temperature
        if config.assignment == "sinkhorn":
            assignment = losses.optimal_transport(scores, config.sinkhorn_dustbin, config.sinkhorn_iterations)
        else:
            assignment = losses.dual_softmax(scores)
        weighed = assignment if config.p2s_on == "assignment" else None
        return {
            "p2p": losses.patch_to_patch(assignment, pairs, config.p2p_negatives),
            "p2s": losses.patch_to_structure(similarity, pairs, weighed, config.p2s_negatives, config.p2s_epsilon),
        }


def _per_crop(shifts: Tensor) -> Tensor:
    """Make (B, P) fit crops (B * P, 1, x, y, z)."""
    return shifts.flatten()[:, None, None, None, None]
