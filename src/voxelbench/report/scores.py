"""`scores.csv`: tidy, one row a run and metric. A run without scores has one row with its reason."""

from collections.abc import Sequence

import pandas as pd

from voxelbench import paths, registry
from voxelbench.atomic import write_text
from voxelbench.cards import TaskKind
from voxelbench.config import Column, Member, read_config, table_budget, task_card
from voxelbench.contamination.record import Report
from voxelbench.evaluate.rows import read_rows
from voxelbench.evaluate.summary import case_values, run_metrics
from voxelbench.expand import table_runs
from voxelbench.report.case_scores import case_scores
from voxelbench.report.clean import contamination
from voxelbench.report.identity import identity
from voxelbench.report.rows import ScoreRow
from voxelbench.report.statistics.intervals import mean_interval
from voxelbench.report.status import status
from voxelbench.runs import NO_CORPUS, EvalRun

Score = dict[str, float]
"""The columns of one metric."""


def write_scores(table: str, budget: str | None, controls: Sequence[str] | None = None) -> None:
    """Write the scores of every run behind a table, and of their test cases.

    `controls` are rows besides the configured methods.
    """
    budget = table_budget(table, budget)
    runs = table_runs(table, budget, controls)
    rows = [row for column, run in runs for row in run_scores(table, column, run)]
    frame = pd.DataFrame(rows, columns=ScoreRow.columns()).astype({"n_clean": "Int64"})
    order = ["dataset", "task", "column", "method", "variant", "ablation", "encoder", "fold", "seed", "metric", "space"]
    frame = frame.sort_values(order, kind="stable")
    write_text(paths.scores(budget, table), frame.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    cases = case_scores(table, runs)
    write_text(paths.case_scores(budget, table), cases.to_csv(index=False, float_format="%.6f", lineterminator="\n"))


def run_scores(table: str, column: Column, run: EvalRun) -> list[dict[str, object]]:
    """Return the rows of one run behind a column of a table."""
    known, state = identity(table, column, run) | _leakage(run), status(run)
    if state.name != "ok":
        return [{**known, "status": state.name, "reason": state.reason}]
    kind = task_card(run.dataset, run.task).kind
    rows = read_rows(run.folder() / paths.CASES)
    found = contamination(run)
    return [
        {**known, "status": "ok", "space": space, "metric": metric, **score}
        for space, part in rows.groupby("space")
        for metric, score in _with_clean(kind, part, found).items()
    ]


def _with_clean(kind: TaskKind, rows: pd.DataFrame, found: Report) -> dict[str, Score]:
    """Return the scores of one space, each beside that of the test cases that pretraining did not see."""
    clean = _clean_scores(kind, rows, found)
    return {metric: {**score, **clean.get(metric, {})} for metric, score in _scores(kind, rows).items()}


def _scores(kind: TaskKind, rows: pd.DataFrame) -> dict[str, Score]:
    """Return value and number of cases of each metric, and the interval of those that are means over cases."""
    cases = case_values(kind, rows)
    scores: dict[str, Score] = {}
    for metric in cases.columns.drop("patient_id"):
        present = cases[cases[metric].notna()]
        value, low, high = mean_interval(present[metric].to_numpy(), present["patient_id"].to_numpy())
        scores[metric] = {"value": value, "low": low, "high": high, "n_cases": len(present)}
    return scores | {name: {"value": value, "n_cases": len(cases)} for name, value in run_metrics(kind, rows).items()}


def _clean_scores(kind: TaskKind, rows: pd.DataFrame, found: Report) -> dict[str, Score]:
    """Return the same of the test cases that pretraining did not see; nothing where that is not known."""
    if found.reason:
        return {}
    left = rows[~rows["case_id"].isin(found.overlap)]
    scores = _scores(kind, left) if len(left) else {name: {"n_cases": 0} for name in _scores(kind, rows)}
    return {
        name: {"value_clean": score.get("value", float("nan")), "n_clean": score["n_cases"]}
        for name, score in scores.items()
    }


def _leakage(run: EvalRun) -> dict[str, object]:
    """Return what the corpus lists of the dataset, and what the contamination gate found."""
    corpus, found = run.pretrain.corpus, contamination(run)
    members = read_config().corpora[corpus].members if corpus != NO_CORPUS else ()
    return {
        "seen": _seen(run.dataset, task_card(run.dataset, run.task).split, members),
        "contamination": f"{found.status}: {found.reason}" if found.reason else found.status,
    }


def _seen(dataset: str, split: str, members: tuple[Member, ...]) -> str:
    """Say what the corpus lists of this dataset: nothing, its training part, or (in another split) test images too."""
    default = registry.dataset_card(dataset).default_split
    shared = [member for member in members if member.dataset == dataset]
    if any((member.split or default) != split for member in shared):
        return "test images"
    return "train" if shared else "none"
