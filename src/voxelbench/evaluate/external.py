"""A run of an external method: it gets our cases, its answers get our scores, taken on the native grid.

What the method keeps of a run lies in the run's work folder. An interrupted run finds it again and goes on; it is
deleted at the end, unless $VOXELBENCH_KEEP_WORK is set.
"""

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np

from voxelbench import paths, registry
from voxelbench.atomic import write_text
from voxelbench.config import read_budget
from voxelbench.data.cache import read_volume, write_volume
from voxelbench.data.case import Case
from voxelbench.errors import DataError
from voxelbench.evaluate.cases import TaskCases, task_cases
from voxelbench.evaluate.examples import write_examples
from voxelbench.evaluate.labels import BACKGROUND, Classes
from voxelbench.evaluate.rows import write_rows
from voxelbench.evaluate.tasks.segmentation import Segmentation
from voxelbench.expand import eval_manifest
from voxelbench.external import External, ExternalJob
from voxelbench.provenance import RunRecord
from voxelbench.recipes import SegmentationRecipe
from voxelbench.resolve import EvalSpec, eval_spec, recipe, spec_yaml
from voxelbench.runs import EvalRun, MethodId
from voxelbench.training.device import prepare_device
from voxelbench.validation import Strict, parse

KEEP = "VOXELBENCH_KEEP_WORK"
"""The environment variable that keeps the work folder of a finished run."""


def evaluate_external(run: EvalRun) -> None:
    """Do one run of an external method and write its folder; `cases.csv` and `run.json` come last."""
    spec, folder, manifest = eval_spec(run), run.folder(), eval_manifest(run)
    record, work = RunRecord(run, spec), folder / paths.WORK
    prepare_device(spec.device, spec.threads)
    task, plugin = make_scorer(spec), registry.load_external(run.pretrain.method.name)
    with record.phase("data"):
        cases = task_cases(spec, manifest)
        job = make_job(spec, task, plugin.Config, cases, work)
        _claim(work, spec)
    with redirect_stdout(sys.stderr):  # a tool prints, and a job's log is its standard error
        method: External = plugin.External(job)
        with record.phase("prepare"):
            _once(work / "prepared", method.prepare)
        with record.phase("train"):
            record.extra |= method.train()
        with record.phase("predict"):
            answers = [_answer(method, case, work) for case in job.testing]
    with record.phase("score"):
        scored = list(zip(job.testing, answers, strict=True))
        rows = [row for case, label in scored for row in task.mask_rows(task.masks(label), case, "native")]
        examples = [task.slice_of(case, partial(_masks_of_slice, task, label)) for case, label in scored]
    record.extra |= cases.counts()
    record.write([manifest])
    write_examples(folder / paths.EXAMPLES, spec.task.kind, run.selection, examples, rows)
    write_rows(folder / paths.CASES, rows)
    if not os.environ.get(KEEP):
        shutil.rmtree(work)


def make_scorer(spec: EvalSpec) -> Segmentation:
    """Return the task that scores the answers, as every other method's are scored."""
    how = recipe(spec.dataset, spec.task, spec.budget)
    assert isinstance(how, SegmentationRecipe), "a card's `tasks` keep an external method from other kinds"
    return Segmentation(registry.dataset_card(spec.dataset), spec.task, how)


def make_job(spec: EvalSpec, task: Segmentation, config: type[Strict], cases: TaskCases, work: Path) -> ExternalJob:
    """Return what a run asks of its method: our parts and classes."""
    path = registry.folder("methods", MethodId.parse(spec.method).name) / registry.CONFIG
    return ExternalJob(
        training=tuple(cases.training),
        validation=tuple(cases.validation),
        testing=tuple(cases.testing),
        inputs=spec.task.inputs,
        classes=task.classes,
        is_exclusive=task.is_exclusive,
        settings=parse(config, spec.recipe, str(path)),
        seed=spec.seed,
        device=spec.device,
        threads=spec.threads,
        workers=read_budget(spec.budget).workers,
        folder=work,
    )


def _claim(work: Path, spec: EvalSpec) -> None:
    """Make the work folder; what a run with another spec left there is deleted first."""
    mine = work / paths.SPEC
    if work.is_dir() and not (mine.is_file() and mine.read_text(encoding="utf-8") == spec_yaml(spec)):
        shutil.rmtree(work)
    write_text(mine, spec_yaml(spec))


def _once(done: Path, step: Callable[[], None]) -> None:
    """Do a step unless an earlier process finished it."""
    if not done.is_file():
        step()
        write_text(done, "")


def _answer(method: External, case: Case, work: Path) -> np.ndarray:
    """Return the label map of a case, predicted now or before an interruption."""
    path = work / "answers" / f"{case.case_id}.h5"
    if not path.is_file():
        answer = method.predict(case)
        check_answer(answer, case, method.job.classes)
        write_volume(path, answer.astype(np.uint8))
    return read_volume(path)


def _masks_of_slice(task: Segmentation, label: np.ndarray, z: int) -> np.ndarray:
    return task.masks(label[..., z])


def check_answer(answer: np.ndarray, case: Case, classes: Classes) -> None:
    """Raise DataError for an answer that is no label map on the grid of its case."""
    if answer.shape != case.shape:
        raise DataError(
            f"the answer for case {case.case_id} has shape {answer.shape}, its volume {case.shape}; "
            "an answer lies on the native grid of its case."
        )
    known = {BACKGROUND, *(value for values in classes.values() for value in values)}
    unknown = [value for value in np.unique(answer) if value not in known]
    if unknown:
        raise DataError(
            f"the answer for case {case.case_id} has the label {unknown[0]}, expected {sorted(known)}; "
            "an answer holds the native labels of its task."
        )
