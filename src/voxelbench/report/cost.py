"""`cost.csv`: what each run behind a table took, from its own `run.json`; each pretraining run stands there once."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from voxelbench import paths
from voxelbench.atomic import write_text
from voxelbench.config import Column, table_budget
from voxelbench.expand import table_runs
from voxelbench.report.cost_summary import summarise
from voxelbench.report.rows import CostRow
from voxelbench.report.schema import dtypes
from voxelbench.report.status import Status, pretrain_status, status
from voxelbench.resolve import eval_spec, pretrain_spec
from voxelbench.runs import NO_CORPUS, EvalRun, PretrainRun

SECONDS_PER_HOUR = JOULES_PER_WH = 3600

_AS_RECORDED = (
    *("device", "n_processes", "peak_memory_mb", "peak_gpu_memory_mb", "n_parameters", "n_trained_parameters"),
    *("flops_per_step", "n_steps", "energy_source"),
)

RESUMED = "resumed: what came before its last start is not counted"
NO_RECORD = "its weights or scores were made elsewhere: nothing says what they took"


def write_cost(table: str, budget: str | None, controls: Sequence[str] | None = None) -> None:
    """Write the cost of every run behind a table, and what its rows and cells cost in all.

    `controls` are rows besides the configured methods.
    """
    budget = table_budget(table, budget)
    costs = run_costs(table_runs(table, budget, controls))
    for path, frame in ((paths.cost(budget, table), costs), (paths.cost_summary(budget, table), summarise(costs))):
        write_text(path, frame.to_csv(index=False, float_format="%.6f", lineterminator="\n"))


def run_costs(runs: list[tuple[Column, EvalRun]]) -> pd.DataFrame:
    """Return a row a run, typed as CostRow: evaluations, and the pretraining runs that they need, each once."""
    pretrained: dict[PretrainRun, list[EvalRun]] = {}
    for _, run in runs:
        if run.pretrain.corpus != NO_CORPUS:
            pretrained.setdefault(run.pretrain, []).append(run)
    rows = [_pretrained(run, users) for run, users in pretrained.items()]
    rows += [_evaluated(column, run) for column, run in runs]
    frame = pd.DataFrame(rows, columns=CostRow.columns(), dtype=object).astype(dtypes(CostRow)).fillna({"reason": ""})
    order = ["stage", "column", "corpus", "method", "variant", "encoder", "fold", "seed"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def _pretrained(run: PretrainRun, users: list[EvalRun]) -> dict[str, object]:
    known = {"stage": "pretrain", "data": pretrain_spec(run).data, **_identity(run)}
    return known | _taken(run.folder(), pretrain_status(run, users))


def _evaluated(column: Column, run: EvalRun) -> dict[str, object]:
    own = {"dataset": run.dataset, "task": run.task, "fraction": run.fraction, "fold": run.fold, "column": column.name}
    known = {"stage": "evaluate", "data": eval_spec(run).data, **_identity(run.pretrain), **own}
    return known | _taken(run.folder(), status(run))


def _identity(run: PretrainRun) -> dict[str, object]:
    method = run.method
    return {
        "budget": run.budget,
        "corpus": run.corpus,
        "method": method.name,
        "variant": method.variation,
        "encoder": run.encoder,
        "seed": run.seed,
    }


def _taken(folder: Path, state: Status) -> dict[str, object]:
    """Return what a run took, or why that is not known."""
    path = folder / paths.RUN
    if state.name == "ok" and not path.is_file():
        state = Status("missing", NO_RECORD)
    if state.name != "ok":
        return {"status": state.name, "reason": state.reason}
    record = json.loads(path.read_text(encoding="utf-8"))
    hours = sum(record["seconds"].values()) / SECONDS_PER_HOUR
    has_gpu = record["device"] == "cuda"
    return {
        **{name: record.get(name) for name in _AS_RECORDED},
        "hours": hours,
        "gpu_hours": hours * record.get("n_processes", 1) if has_gpu else 0.0,
        "cpu_hours": _divided(record.get("cpu_seconds"), SECONDS_PER_HOUR),
        "energy_wh": _divided(record.get("energy_j"), JOULES_PER_WH),
        "status": state.name,
        "reason": RESUMED if record.get("is_resumed") else "",
    }


def _divided(number: float | None, by: int) -> float | None:
    return None if number is None else number / by
