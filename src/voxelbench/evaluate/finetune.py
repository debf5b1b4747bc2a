"""Finetuning: load what was pretrained, train everything on the task, score the test part with the last weights."""

import logging
from pathlib import Path

import torch

from voxelbench import paths, registry
from voxelbench.cards import TaskKind
from voxelbench.config import read_budget
from voxelbench.data.case import Case
from voxelbench.encoders.build import build, load_pretrained
from voxelbench.evaluate.cases import task_cases
from voxelbench.evaluate.rows import Row, write_rows
from voxelbench.evaluate.task import Task, TaskLearner
from voxelbench.evaluate.tasks.classification import Classification
from voxelbench.evaluate.tasks.reconstruction import Reconstruction
from voxelbench.evaluate.tasks.segmentation import Segmentation
from voxelbench.evaluate.tasks.translation import Translation
from voxelbench.expand import eval_manifest
from voxelbench.method import BEFORE_TRAINING, seed_torch
from voxelbench.provenance import RunRecord
from voxelbench.recipes import RECIPES
from voxelbench.resolve import EvalSpec, eval_spec, spec_sha256
from voxelbench.runs import EvalRun
from voxelbench.training.device import alone, prepare_device
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
    record = RunRecord(folder, spec)
    device = prepare_device(spec.device, spec.threads)
    manifest, weights = eval_manifest(run), run.pretrain.weights()
    with record.phase("data"):
        training, testing = task_cases(spec, manifest)
    task = make_task(spec)
    with record.phase("build"):
        learner, record.extra["parts"] = _build(task, spec, weights)
    with record.phase("finetune"), reporting(f"{run.dataset} {spec.method}") as report:
        log = train(
            learner,
            task.recipe,
            Samples(training, task.draw, 1, task.recipe.batch, spec.seed),
            seed=spec.seed,
            identity=spec_sha256(spec),
            checkpoint_path=folder / paths.CHECKPOINT,
            fabric=alone(spec.device),
            workers=read_budget(spec.budget).workers,
            report=report,
        )
    with record.phase("score"):
        rows = score_cases(task, learner.network, testing, device)
    record.extra["n_train"], record.extra["n_test"] = len(training), len(testing)
    write_log(folder / paths.LOSSES, log)
    record.write([manifest, *([weights] if weights else [])], str(device))
    write_rows(folder / paths.CASES, rows)
    (folder / paths.CHECKPOINT).unlink(missing_ok=True)


def make_task(spec: EvalSpec) -> Task:
    """Return the task of a spec."""
    recipe = RECIPES[spec.task.kind].model_validate(spec.recipe)
    return TASKS[spec.task.kind](registry.dataset_card(spec.dataset), spec.task, recipe)


def score_cases(task: Task, network: torch.nn.Module, cases: list[Case], device: torch.device) -> list[Row]:
    """Predict and score every case."""
    network.eval()
    return [row for case in cases for row in task.score(task.predict(network, case, device), case)]


def _build(task: Task, spec: EvalSpec, weights: Path | None) -> tuple[TaskLearner, dict[str, str]]:
    """Build the network; the head and all that was not pretrained start at random, from the seed alone."""
    seed_torch(spec.seed, BEFORE_TRAINING)
    backbone = build(spec.preset, task.in_channels, task.parts)
    network = task.network(backbone)
    origin = load_pretrained(backbone, weights)
    logger.info("parts: %s", ", ".join(f"{name} {state}" for name, state in origin.items()))
    return TaskLearner(task, network), origin
