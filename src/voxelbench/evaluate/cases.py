"""The cases of an evaluation run: what it learns from, what selects its weights, and what it is tested on."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from voxelbench import registry
from voxelbench.data.case import Case, read_cases
from voxelbench.data.fractions import label_fraction
from voxelbench.data.splits import select
from voxelbench.errors import DataError
from voxelbench.evaluate.controls import SHUFFLED, shuffle_targets
from voxelbench.evaluate.labels import absent_classes, task_classes
from voxelbench.method import BEFORE_TRAINING, step_rng
from voxelbench.resolve import EvalSpec
from voxelbench.runs import TOKEN_PROBE, MethodId

NO_VALIDATION = "test the last weights (`selection: last`), or name a split that holds validation cases out"
"""What to do where nothing is left to select weights by."""


class TaskCases(NamedTuple):
    """The cases of a run by what they are for. Without validation the last weights are scored."""

    training: list[Case]
    validation: list[Case]
    testing: list[Case]

    def counts(self) -> dict[str, int]:
        """Return how many cases each part has, as `run.json` names them."""
        return {"n_train": len(self.training), "n_val": len(self.validation), "n_test": len(self.testing)}


def task_cases(spec: EvalSpec, manifest: Path, native: Path | None = None) -> TaskCases:
    """Return the cases of a run; those of the test know themselves on the grid of the manifest `native`, if given.

    `harness` holds validation cases out of training. `upstream` trains on them and validates on the test cases.
    The training patients are thinned to the run's label fraction; the control `shuffled` learns from labels of other
    cases.

    Raises DataError if a part has no case, or if no training case shows a class.
    """
    card, cases = registry.dataset_card(spec.dataset), read_cases(manifest)

    part = partial(select, cases, card, spec.task.split, spec.fold)
    testing = part("test")
    if spec.selection == "harness":
        training, validation = part("train"), part("val", remedy=NO_VALIDATION)
    elif spec.selection == "upstream":
        training, validation = part("train", "val"), testing
    else:
        training, validation = part("train"), []
    training = label_fraction(training, spec.fraction)
    check_classes(training, spec)
    if MethodId.parse(spec.method).variant == SHUFFLED:
        training = shuffle_targets(training, step_rng(spec.seed, BEFORE_TRAINING))
    return TaskCases(training, validation, _with_native(testing, native) if native else testing)


def _with_native(cases: list[Case], manifest: Path) -> list[Case]:
    on_native = {case.case_id: case for case in read_cases(manifest)}
    missing = [case.case_id for case in cases if case.case_id not in on_native]
    if missing:
        raise DataError(f"{manifest}: lacks case {missing[0]}, which is to be scored there; prepare the dataset anew.")
    return [replace(case, native=on_native[case.case_id]) for case in cases]


def check_classes(training: list[Case], spec: EvalSpec) -> None:
    """Raise DataError if no training case is of a class, or shows it. A token probe leaves such a class out instead."""
    card, absent, has = registry.dataset_card(spec.dataset), [], "is of class"
    if spec.task.target == "class":
        there = {case.target for case in training}
        absent = [name for number, name in enumerate(card.classes) if number not in there]
    elif spec.task.target == "label" and spec.finetuning != TOKEN_PROBE:
        absent, has = absent_classes(training, task_classes(card, spec.task)), "shows"
    if absent:
        raise DataError(
            f"{spec.dataset}: none of the {len(training)} training cases of split {spec.task.split}, fold {spec.fold}, "
            f"fraction {spec.fraction:g} {has} '{absent[0]}'; take another fold or a larger fraction."
        )
