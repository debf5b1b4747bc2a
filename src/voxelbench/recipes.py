"""Finetuning recipes: what a task needs to know beyond `Training`. Imports no torch."""

from typing import Literal

from pydantic import Field

from voxelbench.cards import TaskKind
from voxelbench.settings import IntensityRule, Training, Triple


class Recipe(Training):
    """What every task states. `intensity` has one rule, or one for each input channel."""

    grid: Literal["native"] | float
    crop: Triple
    intensity: tuple[IntensityRule, ...]
    flip_probability: float = Field(0.0, ge=0, le=1)


class DenseRecipe(Recipe):
    """A task with an output for each voxel, predicted by a sliding window."""

    overlap: float = Field(ge=0, lt=1)
    blend: Literal["constant", "gaussian"]


class SegmentationRecipe(DenseRecipe):
    """`foreground_share` of the crops are centred on a voxel that carries a label.

    `class_balance` b weighs the cross-entropy of a class by (its share of the batch's voxels) ** -b: 0 leaves it
    as it is; above 0 small organs are learned within tens of steps instead of thousands.
    """

    foreground_share: float = Field(ge=0, le=1)
    class_balance: float = Field(0.0, ge=0, le=1)


class ClassificationRecipe(Recipe):
    """The whole volume, resized to `crop`; `intensity_jitter` scales and shifts the input by up to that share."""

    intensity_jitter: float = Field(0.0, ge=0)


class ReconstructionRecipe(DenseRecipe):
    """Input and target share one intensity window, so that the output is the input plus a learned residual.

    Scores are taken where the target exceeds `body_threshold` (in physical units), with the window as data range.
    """

    body_threshold: float


class TranslationRecipe(DenseRecipe):
    """Any contrast to all: one input channel is drawn for each sample, all channels are the target.

    Losses and scores are taken inside the brain, which is where the *input* is not 0.
    """


RECIPES: dict[TaskKind, type[Recipe]] = {
    TaskKind.segmentation: SegmentationRecipe,
    TaskKind.classification: ClassificationRecipe,
    TaskKind.reconstruction: ReconstructionRecipe,
    TaskKind.translation: TranslationRecipe,
}
