"""Settings of a training run, shared by pretraining and finetuning. Imports no torch.

Lengths of training are in optimiser steps; every number lives in a YAML file beside its source.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from voxelbench.validation import Strict

Triple = tuple[int, int, int]


class IntensityRule(Strict):
    """How physical units become network input; one a channel. See `voxelbench.data.intensity.scale`.

    `window`: low..high to 0..1, clipped. `zscore`: mean 0, standard deviation 1 over the whole volume.
    `zscore_nonzero`: the same over the voxels that are not 0; the others stay 0.
    """

    kind: Literal["window", "zscore", "zscore_nonzero"]
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _is_ordered(self) -> "IntensityRule":
        if self.low >= self.high:
            raise ValueError(f"low {self.low} must lie below high {self.high}")
        return self


class Jitter(Strict):
    """A random change of intensity: with `probability`, drawn evenly from -up_to..up_to."""

    up_to: float = Field(0.0, ge=0)
    probability: float = Field(0.0, ge=0, le=1)


class Optimiser(Strict):
    """The optimiser of all parameters that a step trains.

    Weight decay goes along half a cosine to `weight_decay_end`, if that is given.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    weight_decay_end: float | None = Field(None, ge=0)
    amsgrad: bool = False
    momentum: float = 0.0


class Schedule(Strict):
    """Linear warm-up from 0 over `warmup_steps`, then half a cosine to `min_lr` at the last step, or constant.

    An `open` warm-up reaches the peak with the step after it, a `closed` one with its own last step.

    The other keys say how released code departs from that; no recipe of ours uses them:

    - `every_steps`: the rate moves once in so many steps, as S2DC's on BTCV does once an epoch.
    - `extra_every_steps`: one step more is counted after each so many, as S2DC's and VoCo's on CC-CCII does an epoch.
    - `trough_step`: the cosine is over at this step, and from there the rate climbs back to its peak and falls again,
      over and over. VoCo's on BTCV does so, for it counts steps where epochs were meant.
    """

    shape: Literal["cosine", "constant"] = "cosine"
    warmup_steps: int = Field(0, ge=0)
    warmup: Literal["open", "closed"] = "open"
    min_lr: float = Field(0.0, ge=0)
    every_steps: int = Field(1, gt=0)
    extra_every_steps: int | None = Field(None, gt=0)
    trough_step: int | None = None

    @model_validator(mode="after")
    def _falls_after_the_warm_up(self) -> "Schedule":
        if self.trough_step is not None and (self.shape == "constant" or self.trough_step <= self.warmup_steps):
            raise ValueError(
                f"trough_step {self.trough_step} takes a cosine after warmup_steps {self.warmup_steps}; this one is "
                f"{self.shape}"
            )
        return self


class Clip(Strict):
    """Gradient clipping by norm, over all parameters at once or each tensor on its own."""

    max_norm: float = Field(gt=0)
    scope: Literal["global", "per_tensor"] = "global"


class Training(Strict):
    """What the training loop needs to know."""

    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    accumulate: int = Field(1, gt=0)
    loss_weights: dict[str, float]
    optimiser: Optimiser
    schedule: Schedule = Schedule()
    clip: Clip | None = None
    checkpoint_steps: int = Field(gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"


class MethodConfig(Training):
    """What every pretext method states; a method's `Config` adds its own keys.

    `crop` is what the views of one sample are cut to, in voxels; `grid` is "native" or a spacing in mm;
    `group_size` cases make one sample; `snapshots` are the fractions of training at which weights are kept.
    """

    intensity: dict[str, IntensityRule]
    grid: str | float = "native"
    crop: Triple
    group_size: int = Field(1, gt=0)
    snapshots: tuple[float, ...] = ()

    def snapshot_steps(self) -> list[int]:
        """Return the steps after which the published weights are kept, the first of them first."""
        return sorted({max(1, round(share * self.steps)) for share in self.snapshots})

    def check_floors(self, key: str, floors: Mapping[str, float]) -> None:
        """Raise ValueError if a modality of `intensity` has no floor in the mapping at `key`."""
        missing = sorted(self.intensity.keys() - floors.keys())
        if missing:
            raise ValueError(f"{key} lacks {', '.join(missing)}; give every modality of intensity a floor")


class EncoderPreset(Strict):
    """`config/encoders/<name>.yaml`: a network, whole. `family` says which one, and so which keys follow."""

    name: str


class SwinPreset(EncoderPreset):
    """The Swin-UNETR of MONAI. `merging` is its patch merging before MONAI 1.5 (`legacy`), or since (`fixed`)."""

    family: Literal["swin"]
    feature_size: int = Field(gt=0)
    depths: tuple[int, int, int, int]
    num_heads: tuple[int, int, int, int]
    window_size: int = Field(gt=0)
    patch_size: int = 2
    use_v2: bool
    merging: Literal["legacy", "fixed"]
    checkpointing: bool = False


class UNetPreset(EncoderPreset):
    """The 3D U-Net of GVSL. `widths` are its channels from full resolution to stride 16, multiples of 8."""

    family: Literal["unet"]
    widths: tuple[int, int, int, int, int]

    @model_validator(mode="after")
    def _groups(self) -> "UNetPreset":
        if any(width <= 0 or width % 8 for width in self.widths):
            raise ValueError(f"widths {self.widths} are normalised in groups of 8 channels; make them multiples of 8")
        return self


class NnFormerPreset(EncoderPreset):
    """The nnFormer of Alice: four stages at strides 2 to 16, each with its depth, heads and attention window.

    `roi` is the volume that it was made for: it limits the windows and is what the table of positions covers.
    """

    family: Literal["nnformer"]
    embed: int = Field(gt=0)
    depths: tuple[int, int, int, int]
    num_heads: tuple[int, int, int, int]
    windows: tuple[int, int, int, int]
    roi: Triple
    drop_path: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> "NnFormerPreset":
        if any(side <= 0 or side % 16 for side in self.roi):
            raise ValueError(f"roi {self.roi} is halved four times; make its sides multiples of 16")
        widths = tuple(self.embed * 2**stage for stage in range(4))
        if any(heads <= 0 or width % heads for width, heads in zip(widths, self.num_heads, strict=True)):
            raise ValueError(f"num_heads {self.num_heads} must divide the channels {widths} of the stages")
        return self


AnyPreset = Annotated[SwinPreset | UNetPreset | NnFormerPreset, Field(discriminator="family")]

PRESETS: dict[str, type[EncoderPreset]] = {"swin": SwinPreset, "unet": UNetPreset, "nnformer": NnFormerPreset}
"""The preset of each family."""
