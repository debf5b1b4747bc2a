"""The columns that say which run a row is of, the same in every tidy table."""

import json
from collections.abc import Mapping
from typing import Any

from voxelbench import paths
from voxelbench.config import Column, table_config
from voxelbench.resolve import eval_spec, spec_sha256
from voxelbench.runs import EvalRun, MethodId, PretrainRun


def identity(table: str, column: Column, run: EvalRun) -> dict[str, object]:
    """Return the columns of `rows.Identity`, and `spec_sha256`, of a run behind a column of a table."""
    spec = eval_spec(run)
    method = run.pretrain.method
    return {
        "budget": spec.budget,
        "data": spec.data,
        "column": column.name,
        "corpus": spec.corpus,
        "method": method.name,
        "variant": method.variant,
        "ablation": method.ablation,
        "encoder": run.pretrain.encoder,
        "track": table_config(table).track,
        "dataset": run.dataset,
        "task": run.task,
        "selection": run.selection,
        "protocol": run.protocol,
        "fraction": f"{run.fraction:g}",
        "stem": _stem(run),
        "split": spec.task.split,
        "fold": run.fold,
        "seed": run.pretrain.seed,
        "spec_sha256": spec_sha256(spec),
    }


def run_of(row: Mapping[str, Any]) -> EvalRun:
    """Return the run that a row with the columns of IDENTITY is of, as texts or as numbers."""
    method = MethodId(row["method"], row["variant"], row["ablation"])
    pretrain = PretrainRun(row["budget"], row["corpus"], method, row["encoder"], int(row["seed"]))
    fold, fraction = int(row["fold"]), float(row["fraction"])
    return EvalRun(row["dataset"], row["task"], fold, pretrain, row["protocol"], row["selection"], fraction)


def _stem(run: EvalRun) -> str:
    """Return what became of a pretrained stem that met another number of channels, from the run's own record."""
    path = run.folder() / paths.RUN
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    origin = str(record.get("parts", {}).get("trunk", ""))
    return origin.partition(", ")[2].removesuffix(" stem")
