"""SwinMM: rebuild the hidden part of turned and permuted crops, name the turn, and agree across views."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from voxelbench.data.case import Case
from voxelbench.data.crops import random_start
from voxelbench.data.loading import read_scaled_crop
from voxelbench.encoders.backbone import Backbone, Encoder
from voxelbench.errors import ConfigError
from voxelbench.method import Batch, Losses, MethodConfig, ParameterGroup, Progress, Views, decay_groups
from voxelbench.method import Method as PretextMethod
from voxelbench.nn.recompute import crop_wise

from .decoder import make_decoder
from .geometry import N_TURNS, SWAPS
from .masking import draw_hidden_cells, n_kept, to_voxels
from .objective import Branch, Prediction, observe, predict, score

N_BRANCHES = 2
_ROTATION_TOKEN, _CONTRAST_TOKEN = 0, 1  # source: SSLHead; the first two of the last map, row-major


class Config(MethodConfig):
    """Settings of SwinMM. `hidden_fraction` of the cubes of `mask_cell` voxels are hidden.

    `error_divisor` is the share of voxels that masked errors, averaged over all voxels, are divided by: `hidden` gives
    the mean over hidden voxels, `kept` the released code's. `crops_per_pass` crops go through the trunk at a time.
    """

    crops_per_volume: int = Field(ge=2)
    mask_cell: int = Field(gt=0)
    hidden_fraction: float = Field(gt=0, lt=1)
    mask_per_sample: bool
    embedding: int = Field(gt=0)
    crops_per_pass: int | None = Field(None, gt=0)
    normalise_target: bool
    error_divisor: Literal["kept", "hidden"]
    temperature: float = Field(gt=0)

    @model_validator(mode="after")
    def _turns(self) -> "Config":
        if self.crop[1] != self.crop[2]:
            raise ValueError(
                f"crop {self.crop} would change its shape in a quarter turn; make its last two lengths equal"
            )
        return self

    @model_validator(mode="after")
    def _masks(self) -> "Config":
        if any(length % self.mask_cell for length in self.crop):
            raise ValueError(
                f"crop {self.crop} is no whole number of cells; make it a multiple of mask_cell {self.mask_cell}"
            )
        n_cells = int(np.prod(self.mask_grid))
        if not 0 < n_kept(n_cells, self.hidden_fraction) < n_cells:
            raise ValueError(
                f"hidden_fraction {self.hidden_fraction} hides all or none of {n_cells} cells; move it towards 0.5"
            )
        return self

    @property
    def mask_grid(self) -> tuple[int, ...]:
        """Cells along each axis of a crop."""
        return tuple(length // self.mask_cell for length in self.crop)

    @property
    def divisor(self) -> float | None:
        """The number that masked errors are divided by; None is the share that is hidden."""
        return 1 - self.hidden_fraction if self.error_divisor == "kept" else None


def views(cases: tuple[Case, ...], config: Config, rng: np.random.RandomState) -> Views:
    """Draw some crops of a volume, and for each branch the quarter turns of each crop."""
    (case,) = cases
    rules = [config.intensity[case.modality]]
    starts = [random_start(case.shape, config.crop, rng) for _ in range(config.crops_per_volume)]
    crops = [read_scaled_crop(case, case.channels[:1], rules, start, config.crop) for start in starts]
    return {"crops": np.stack(crops), "turns": rng.randint(N_TURNS, size=(N_BRANCHES, config.crops_per_volume))}


class Method(PretextMethod):
    """One network without a teacher: the trunk, two linear heads on single tokens, and a decoder."""

    needs = frozenset({"trunk"})
    config: Config

    def __init__(self, backbone: Backbone, config: Config) -> None:
        super().__init__(backbone, config)
        _check_tokens(config, backbone.trunk)
        channels, stride = backbone.trunk.channels[-1], backbone.trunk.strides[-1]
        self.rotation_head = nn.Linear(channels, N_TURNS)
        self.contrastive_head = nn.Linear(channels, config.embedding)
        self.decoder = make_decoder(channels, stride)

    def forward(self, views: Batch, progress: Progress) -> Losses:
        """Return the five terms of one batch, after four passes over its crops."""
        config = self.config
        first, second = self._branches(views, progress.rng)
        passes = predict(self.network, first), predict(self.network, second)
        with torch.autocast(first.crops.device.type, enabled=False):
            return score(
                (first, second),
                passes,
                temperature=config.temperature,
                normalise_target=config.normalise_target,
                divisor=config.divisor,
            )

    def network(self, crops: Tensor) -> Prediction:
        """Predict turn, embedding and the hidden voxels of crops (n, 1, X, Y, Z) from the trunk's last map."""
        features = crop_wise(self.backbone.trunk, crops, self.config.crops_per_pass)[-1]
        tokens = features.flatten(2)
        return Prediction(
            self.rotation_head(tokens[:, :, _ROTATION_TOKEN]).float(),
            self.contrastive_head(tokens[:, :, _CONTRAST_TOKEN]).float(),
            self.decoder(features).float(),
        )

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return two groups: matrices, and what does not decay, biases, 1-D weights and tables of relative position."""
        return decay_groups(self.named_parameters(), _decays)

    def _branches(self, views: Batch, rng: np.random.RandomState) -> list[Branch]:
        """Draw what holds for the whole batch, masks first, and observe its n crops (n, 1, X, Y, Z) with it."""
        crops, turns = views["crops"].flatten(0, 1), views["turns"].transpose(0, 1).flatten(1)
        n_masks = len(crops) if self.config.mask_per_sample else 1
        hidden = [self._draw_hidden(n_masks, rng).to(crops.device) for _ in range(N_BRANCHES)]
        swaps = rng.choice(tuple(SWAPS), N_BRANCHES).tolist()
        return [observe(crops, *drawn) for drawn in zip(turns, hidden, swaps, strict=True)]

    def _draw_hidden(self, n_masks: int, rng: np.random.RandomState) -> Tensor:
        """Draw bool (n_masks, 1, X, Y, Z)."""
        config = self.config
        cells = [draw_hidden_cells(config.mask_grid, config.hidden_fraction, rng) for _ in range(n_masks)]
        return to_voxels(torch.from_numpy(np.stack(cells))[:, None], config.mask_cell)


def _check_tokens(config: Config, trunk: Encoder) -> None:
    stride = trunk.strides[-1]
    if any(length % stride for length in config.crop) or max(config.crop) == stride:
        raise ConfigError(
            f"swinmm: crop {config.crop} has to be a multiple of the trunk's last stride {stride} in each axis, and "
            "longer in one, since two tokens are read; change `crop` or the encoder."
        )


def _decays(name: str, parameter: nn.Parameter) -> bool:
    return parameter.dim() > 1 and not name.endswith("relative_position_bias_table")
