"""What all probes share: an encoder that is left as it is, and a linear classifier of its features."""

from pathlib import Path

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from voxelbench.encoders.backbone import Encoder
from voxelbench.encoders.build import build, load_pretrained
from voxelbench.method import BEFORE_TRAINING, seed_torch
from voxelbench.recipes import ProbeRecipe
from voxelbench.resolve import EvalSpec


def frozen_trunk(spec: EvalSpec, weights: Path | None) -> tuple[Encoder, dict[str, str]]:
    """Return the encoder in evaluation mode, and where its weights are from.

    Without weights it is what every method of that seed starts from: the trunk is drawn first, from the seed alone.
    """
    seed_torch(spec.seed, BEFORE_TRAINING)
    backbone = build(spec.preset, len(spec.task.inputs), ())
    origin = load_pretrained(backbone, weights)
    return backbone.trunk.eval().requires_grad_(False), origin


def linear_classifier(recipe: ProbeRecipe) -> Pipeline:
    """Return a logistic regression on standardised features, not yet fitted."""
    regression = LogisticRegression(C=recipe.inverse_regularisation, max_iter=recipe.max_iterations)
    return make_pipeline(StandardScaler(), regression)
