"""`scores.csv`: tidy, one row a run and metric. A run without scores has one row with its reason."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voxelbench import paths, registry
from voxelbench.atomic import write_text
from voxelbench.cards import TaskKind
from voxelbench.config import Member, read_config, table_budget, table_config, task_card
from voxelbench.contamination.record import Report
from voxelbench.evaluate.rows import read_rows
from voxelbench.evaluate.summary import case_values, run_metrics
from voxelbench.expand import gate, table_runs
from voxelbench.report.clean import contamination
from voxelbench.report.statistics import mean_interval
from voxelbench.resolve import eval_spec, spec_sha256
from voxelbench.runs import NO_CORPUS, EvalRun

COLUMNS = (
    *("budget", "data", "corpus", "method", "variant", "ablation", "encoder", "track", "dataset", "task", "selection"),
    *("protocol", "fraction", "stem", "split", "fold", "seed", "metric", "value", "low", "high", "n_cases", "space"),
    *("seen", "contamination", "value_clean", "n_clean", "status", "reason", "spec_sha256"),
)


Score = dict[str, float]
"""The columns of one metric."""


@dataclass(frozen=True)
class Status:
    """Whether a run has scores (`ok`), and if not, why: `gated`, `failed` or `missing`."""

    name: str
    reason: str = ""


def status(run: EvalRun) -> Status:
    """Return the state of a run, from its files and its gate."""
    if (run.folder() / paths.CASES).is_file():
        return Status("ok")
    reason = gate(run)
    if reason:
        return Status("gated", reason)
    for folder in (run.folder(), run.pretrain.folder()):
        if (folder / paths.FAILED).is_file():
            return Status("failed", _failure(folder / paths.FAILED))
    return Status("missing", "not run")


def _failure(path: Path) -> str:
    return f"failed: {json.loads(path.read_text(encoding='utf-8'))['reason']}"


def write_scores(table: str, budget: str | None, controls: Sequence[str] | None = None) -> None:
    """Write the scores of every run behind a table; `controls` are rows besides the configured methods."""
    budget = table_budget(table, budget)
    rows = [row for _, run in table_runs(table, budget, controls) for row in run_scores(run)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).assign(track=table_config(table).track)
    frame = frame.astype({"n_clean": "Int64"}).sort_values(
        ["dataset", "task", "method", "variant", "ablation", "encoder", "fold", "seed", "metric", "space"],
        kind="stable",
    )
    write_text(paths.scores(budget, table), frame.to_csv(index=False, float_format="%.4f", lineterminator="\n"))


def run_scores(run: EvalRun) -> list[dict[str, object]]:
    """Return the rows of one run."""
    identity, state = _identity(run), status(run)
    if state.name != "ok":
        return [{**identity, "status": state.name, "reason": state.reason}]
    identity["stem"] = _stem(run)
    kind = task_card(run.dataset, run.task).kind
    rows = read_rows(run.folder() / paths.CASES)
    found = contamination(run)
    return [
        {**identity, "status": "ok", "space": space, "metric": metric, **score}
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


def _identity(run: EvalRun) -> dict[str, object]:
    spec = eval_spec(run)
    method = run.pretrain.method
    members = read_config().corpora[run.pretrain.corpus].members if run.pretrain.corpus != NO_CORPUS else ()
    return {
        "budget": spec.budget,
        "data": spec.data,
        "corpus": spec.corpus,
        "method": method.name,
        "variant": method.variant,
        "ablation": method.ablation,
        "encoder": run.pretrain.encoder,
        "dataset": run.dataset,
        "task": run.task,
        "selection": run.selection,
        "protocol": run.protocol,
        "fraction": f"{run.fraction:g}",
        "split": spec.task.split,
        "fold": run.fold,
        "seed": run.pretrain.seed,
        "seen": _seen(run.dataset, spec.task.split, members),
        "contamination": contamination(run).status,
        "spec_sha256": spec_sha256(spec),
    }


def _stem(run: EvalRun) -> str:
    """Return what became of a pretrained stem that met another number of channels, from the run's own record."""
    path = run.folder() / paths.RUN
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    origin = str(record.get("parts", {}).get("trunk", ""))
    return origin.partition(", ")[2].removesuffix(" stem")


def _seen(dataset: str, split: str, members: tuple[Member, ...]) -> str:
    """Say what the corpus lists of this dataset: nothing, its training part, or (in another split) test images too."""
    default = registry.dataset_card(dataset).default_split
    shared = [member for member in members if member.dataset == dataset]
    if any((member.split or default) != split for member in shared):
        return "test images"
    return "train" if shared else "none"
