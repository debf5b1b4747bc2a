"""Recipes: what finetuning a task, or a probe of it, needs to know. Imports no torch."""

from typing import Literal

from pydantic import Field, model_validator

from voxelbench.cards import TaskKind
from voxelbench.runs import Protocol
from voxelbench.settings import IntensityRule, Jitter, Training, Triple
from voxelbench.validation import Strict


class Recipe(Strict):
    """What every recipe states. `intensity` has one rule, or one for each input channel."""

    grid: Literal["native"] | float
    crop: Triple
    intensity: tuple[IntensityRule, ...]


class FinetuneRecipe(Recipe, Training):
    """What every finetuned task states.

    The weights are scored on the validation cases every `validate_steps` steps and at the end. `stem` says what becomes
    of a pretrained layer that reads another number of channels: it starts at random, or copies itself to each channel,
    divided by their number.
    """

    validate_steps: int = Field(gt=0)
    stem: Literal["random", "inflate"] = "random"
    flip_probability: float = Field(0.0, ge=0, le=1)
    turn_probability: float = Field(0.0, ge=0, le=1)
    intensity_scale: Jitter = Jitter()
    intensity_shift: Jitter = Jitter()


class DenseRecipe(FinetuneRecipe):
    """A task with an output for each voxel, predicted by a sliding window."""

    overlap: float = Field(ge=0, lt=1)
    blend: Literal["constant", "gaussian"]


class SegmentationRecipe(DenseRecipe):
    """`foreground_share` of the crops are centred on a voxel that carries a label.

    `class_balance` b weighs the cross-entropy of a class by (its share of the batch's voxels) ** -b: 0 leaves it
    as it is; above 0 small organs are learned within tens of steps instead of thousands.

    Surfaces that lie within `surface_tolerance_mm` of each other count as equal. `lesion_volumes` adds the volumes of
    lesions that were invented and that were missed.
    """

    foreground_share: float = Field(ge=0, le=1)
    class_balance: float = Field(0.0, ge=0, le=1)
    surface_tolerance_mm: float = Field(gt=0)
    lesion_volumes: bool = False


class ClassificationRecipe(FinetuneRecipe):
    """The whole volume, resized to `crop`. Its head has `n_hidden` features between two linear layers; 0: one layer."""

    n_hidden: int = Field(0, ge=0)


class ReconstructionRecipe(DenseRecipe):
    """Input and target share one intensity window, so that the output is the input plus a learned residual.

    Scores are taken where the target exceeds `body_threshold` (in physical units), with the window as data range.
    """

    body_threshold: float


class TranslationRecipe(DenseRecipe):
    """Any contrast to all: one input channel is drawn for each sample, all channels are the target.

    Losses and scores are taken inside the brain, which is where the *input* is not 0.
    """


class ProbeRecipe(Recipe):
    """What probes of a frozen encoder share: `inverse_regularisation` is the C of scikit-learn's LogisticRegression."""

    inverse_regularisation: float = Field(gt=0)
    max_iterations: int = Field(gt=0)


class CaseProbeRecipe(ProbeRecipe):
    """A probe of the pooled features of whole volumes, resized to `crop`: linear, and by the nearest `neighbours`."""

    neighbours: int = Field(gt=0)


class TokenProbeRecipe(ProbeRecipe):
    """A linear probe of frozen tokens: the voxels of the encoder's map at `stride`, read crop by crop.

    An encoder whose coarsest map is finer gives the means of that map over each token.

    A token holds an organ that covers at least `min_share` of its volume. An organ that fewer than `min_tokens`
    training tokens hold, or lack, is left out.
    """

    stride: int = Field(gt=0)
    min_share: float = Field(gt=0, le=1)
    min_tokens: int = Field(gt=0)

    @model_validator(mode="after")
    def _holds_whole_tokens(self) -> "TokenProbeRecipe":
        if any(length % self.stride for length in self.crop):
            raise ValueError(f"crop {self.crop} does not hold whole tokens; make it a multiple of stride {self.stride}")
        return self


RecipeName = TaskKind | Literal["token_probe", "case_probe"]


def recipe_name(kind: TaskKind, protocol: Protocol) -> RecipeName:
    """Return the recipe that an evaluation follows: one for each kind of task to finetune, one for all probes."""
    return kind if protocol == "finetune" else protocol


RECIPES: dict[RecipeName, type[Recipe]] = {
    TaskKind.segmentation: SegmentationRecipe,
    TaskKind.classification: ClassificationRecipe,
    TaskKind.reconstruction: ReconstructionRecipe,
    TaskKind.translation: TranslationRecipe,
    "token_probe": TokenProbeRecipe,
    "case_probe": CaseProbeRecipe,
}
