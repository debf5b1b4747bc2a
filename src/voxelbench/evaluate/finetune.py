"""Finetuning: load what was pretrained, train everything on the task, score the test part with the selected weights."""

import logging
from collections.abc import Callable
from pathlib import Path

from torch import nn

from voxelbench import paths, registry
from voxelbench.cards import TaskKind
from voxelbench.config import read_budget
from voxelbench.data.case import Case
from voxelbench.encoders.build import build, load_pretrained
from voxelbench.evaluate.cases import task_cases
from voxelbench.evaluate.controls import FROZEN
from voxelbench.evaluate.examples import Example, write_examples
from voxelbench.evaluate.metrics.guards import naming, require_finite
from voxelbench.evaluate.rows import Row, to_frame, write_rows
from voxelbench.evaluate.selection import Selector
from voxelbench.evaluate.summary import headline
from voxelbench.evaluate.task import Prediction, Task, TaskLearner
from voxelbench.evaluate.tasks.classification import Classification
from voxelbench.evaluate.tasks.reconstruction import Reconstruction
from voxelbench.evaluate.tasks.segmentation import Segmentation
from voxelbench.evaluate.tasks.translation import Translation
from voxelbench.expand import eval_manifest, native_manifest
from voxelbench.method import BEFORE_TRAINING, seed_torch
from voxelbench.provenance import RunRecord
from voxelbench.recipes import RECIPES
from voxelbench.resolve import EvalSpec, eval_spec, spec_sha256
from voxelbench.runs import EvalRun, MethodId
from voxelbench.training.complexity import measure, of_training
from voxelbench.training.device import alone, peak_memory, prepare_device
from voxelbench.training.log import write_log
from voxelbench.training.loop import train
from voxelbench.training.progress import reporting
from voxelbench.training.sampling import Samples

logger = logging.getLogger(__name__)

TASKS: dict[TaskKind, type[Task]] = {
    TaskKind.segmentation: Segmentation,
    TaskKind.classification: Classification,
    TaskKind.reconstruction: Reconstruction,
    TaskKind.translation: Translation,
}


def finetune(run: EvalRun) -> None:
    """Run one evaluation and write its folder; `cases.csv` and `run.json` come last."""
    spec, folder = eval_spec(run), run.folder()
    record = RunRecord(run, spec)
    device = prepare_device(spec.device, spec.threads)
    manifest, native, weights = eval_manifest(run), native_manifest(run), run.pretrain.weights()
    with record.phase("data"):
        cases = task_cases(spec, manifest, native)
    task = make_task(spec)
    with record.phase("build"):
        learner, record.extra["parts"] = _build(task, spec, weights)
        record.extra |= measure(learner.network, task.in_channels, task.recipe.crop)
        record.extra |= of_training(task.recipe.batch * record.extra["flops_per_crop"], task.recipe)
    selector = _selector(task, learner.network, cases.validation, folder, spec)
    with record.phase("finetune"), reporting(f"{run.dataset} {spec.method}") as report:
        log = train(
            learner,
            task.recipe,
            Samples(cases.training, task.draw, 1, task.recipe.batch, spec.seed),
            seed=spec.seed,
            identity=spec_sha256(spec),
            checkpoint_path=folder / paths.CHECKPOINT,
            fabric=alone(spec.device),
            workers=read_budget(spec.budget).workers,
            at_step=selector.at_step if selector else None,
            report=report,
        )
    record.extra["selected_step"] = selector.restore() if selector else task.recipe.steps
    with record.phase("score"):
        examples: list[Example] = []
        rows = score_cases(task, learner.network.eval(), cases.testing, _keeping(task, examples))
    record.extra |= cases.counts() | peak_memory(device)
    write_log(folder / paths.LOSSES, log)
    record.write([path for path in (manifest, native, weights) if path])
    write_examples(folder / paths.EXAMPLES, spec.task.kind, run.selection, examples, rows)
    write_rows(folder / paths.CASES, rows)
    for working in (paths.CHECKPOINT, paths.SELECTED):
        (folder / working).unlink(missing_ok=True)


def make_task(spec: EvalSpec) -> Task:
    """Return the task of a spec."""
    recipe = RECIPES[spec.task.kind].model_validate(spec.recipe)
    return TASKS[spec.task.kind](registry.dataset_card(spec.dataset), spec.task, recipe)


def score_cases(
    task: Task, network: nn.Module, cases: list[Case], score: Callable[[Prediction, Case], list[Row]]
) -> list[Row]:
    """Predict every case and score it. Raises DataError, naming the case, if a prediction is not finite."""
    device = next(network.parameters()).device
    rows = []
    for case in cases:
        with naming(case.case_id):
            prediction = task.predict(network, case, device)
            for name, array in prediction.items():
                require_finite(array, f"prediction '{name}'")
            rows += score(prediction, case)
    return rows


def _keeping(task: Task, examples: list[Example]) -> Callable[[Prediction, Case], list[Row]]:
    """Return what scores a case and keeps a slice of it."""

    def score(prediction: Prediction, case: Case) -> list[Row]:
        examples.append(task.example(prediction, case))
        return task.score(prediction, case)

    return score


def _selector(task: Task, network: nn.Module, validation: list[Case], folder: Path, spec: EvalSpec) -> Selector | None:
    """Return what selects weights by the mean of the task's headline over the validation cases, if there are any."""
    if not validation:
        return None

    def score(candidate: nn.Module) -> float:
        return headline(spec.task.kind, to_frame(score_cases(task, candidate, validation, task.validate)))

    recipe = task.recipe
    return Selector(folder / paths.SELECTED, spec_sha256(spec), network, score, recipe.validate_steps, recipe.steps)


def _build(task: Task, spec: EvalSpec, weights: Path | None) -> tuple[TaskLearner, dict[str, str]]:
    """Build the network; the head and all that was not pretrained start at random, from the seed alone."""
    seed_torch(spec.seed, BEFORE_TRAINING)
    backbone = build(spec.preset, task.in_channels, task.parts)
    network = task.network(backbone)
    origin = load_pretrained(backbone, weights, task.recipe.stem)
    if MethodId.parse(spec.method).variant == FROZEN:
        backbone.trunk.requires_grad_(False)
    logger.info("parts: %s", ", ".join(f"{name} {state}" for name, state in origin.items()))
    return TaskLearner(task, network), origin
