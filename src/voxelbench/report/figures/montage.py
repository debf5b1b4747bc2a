"""A montage: the best, the median and the worst test case of a reference method, with every method's answer to them."""

import math
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from voxelbench import paths, registry
from voxelbench.config import read_budget, task_card
from voxelbench.errors import NothingToDraw
from voxelbench.evaluate.examples import Example, read_examples
from voxelbench.evaluate.summary import HEADLINE
from voxelbench.figure_inputs import montage_runs
from voxelbench.figure_settings import Montage
from voxelbench.report.figures.request import Request
from voxelbench.report.status import status
from voxelbench.resolve import data_kind
from voxelbench.runs import EvalRun, MethodId

FIELDS = (
    *("reference", "rank", "case_id", "method", "variant", "encoder", "dataset", "task", "pair", "metric", "value"),
    *("examples", "reason", "may_be_published"),
)


class Ranked(NamedTuple):
    """A case, and its place among those that the reference answered."""

    rank: str
    case_id: str


def numbers(request: Request) -> pd.DataFrame:
    """Return one row a case and method, of all methods the same cases: the value, and the file that holds the slices.

    Raises NothingToDraw if the reference has no examples.
    """
    assert isinstance(request.settings, Montage)
    runs = montage_runs(request.settings, request.budget)
    reference = MethodId.parse(request.settings.reference)
    mine = next((run for run in runs if run.pretrain.method == reference), None)
    if mine is None or not _path(mine).is_file():
        why = "is no row of the table" if mine is None else f"has no examples ({status(mine).reason or 'made before'})"
        raise NothingToDraw(
            f"figure '{request.name}': its reference {reference} {why}; evaluate it, or name another `reference`."
        )
    chosen = ranked(read_examples(_path(mine)))
    rows = [row for run in runs for row in _rows(run, chosen)]
    return pd.DataFrame(rows, columns=list(FIELDS)).assign(reference=str(reference))


def ranked(examples: list[Example]) -> list[Ranked]:
    """Return best, median (the lower of two) and worst of the examples with a value; fewer where there are fewer.

    Among equal accuracies the probability of the true class decides.
    """
    ordered = sorted((each for each in examples if not math.isnan(each.value)), key=_merit, reverse=True)
    if not ordered:
        return []
    ranks = {len(ordered) // 2: "median", len(ordered) - 1: "worst", 0: "best"}
    return [Ranked(ranks[place], ordered[place].case_id) for place in sorted(ranks)]


def _merit(example: Example) -> tuple[float, float, str]:
    is_classified = "probabilities" in example.panels
    sure = float(example.panels["probabilities"][example.panels["true_class"]]) if is_classified else 0.0
    return example.value, sure, example.case_id


def _rows(run: EvalRun, chosen: list[Ranked]) -> list[dict[str, object]]:
    card, task, method = registry.dataset_card(run.dataset), task_card(run.dataset, run.task), run.pretrain.method
    is_real = data_kind(card, read_budget(run.pretrain.budget)) == "real"
    path, state = _path(run), status(run)
    examples = {each.case_id: each for each in read_examples(path)} if path.is_file() else {}
    known = {
        "method": method.name,
        "variant": method.variation,
        "encoder": run.pretrain.encoder,
        "dataset": run.dataset,
        "task": run.task,
        "metric": HEADLINE[task.kind],
        "may_be_published": card.may_be_redistributed or not is_real,
    }
    rows: list[dict[str, object]] = []
    for rank, case_id in chosen:
        example = examples.get(case_id)
        found: dict[str, object] = {"reason": state.reason or "no slice was kept"}
        if example is not None:
            found = {"pair": example.pair, "value": 100 * example.value, "examples": str(path), "reason": ""}
        rows.append({**known, "rank": rank, "case_id": case_id, "pair": "", "examples": "", **found})
    return rows


def _path(run: EvalRun) -> Path:
    return run.folder() / paths.EXAMPLES
