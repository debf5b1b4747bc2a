"""The cases of an evaluation run: what it learns from, and what it is tested on."""

from pathlib import Path

from voxelbench import registry
from voxelbench.data.case import Case, read_cases
from voxelbench.data.splits import select
from voxelbench.evaluate.controls import SHUFFLED, shuffle_targets
from voxelbench.method import BEFORE_TRAINING, step_rng
from voxelbench.resolve import EvalSpec
from voxelbench.runs import MethodId


def task_cases(spec: EvalSpec, manifest: Path) -> tuple[list[Case], list[Case]]:
    """Return the training and the test cases; the control `shuffled` learns from labels of other cases."""
    card, cases = registry.dataset_card(spec.dataset), read_cases(manifest)
    training = select(cases, card, spec.task.split, spec.fold, "train")
    testing = select(cases, card, spec.task.split, spec.fold, "test")
    if MethodId.parse(spec.method).variant == SHUFFLED:
        training = shuffle_targets(training, step_rng(spec.seed, BEFORE_TRAINING))
    return training, testing
