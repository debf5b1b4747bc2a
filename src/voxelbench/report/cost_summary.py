"""`cost_summary.csv`: what each row of a table cost, in all and for each of its cells."""

import pandas as pd

ALL = "all"
"""The column of the sums over all columns of a table."""

_SYSTEM = ["method", "variant", "encoder"]
_PRETRAINING = [*_SYSTEM, "corpus", "seed"]
"""What an evaluation run shares with the pretraining run of its weights."""


def summarise(costs: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each system and column of a table, and one for all columns, from the rows of `cost.csv`.

    A pretraining run counts in full in each cell that uses it, and once in the row `all`. A sum over runs of which one
    does not say its part is empty.
    """
    evaluated = costs[costs["stage"] == "evaluate"]
    pretrained = costs[costs["stage"] == "pretrain"].drop(columns=["column"])
    cells = [*evaluated.groupby("column"), (ALL, evaluated.drop_duplicates([*costs.columns.drop("column")]))]
    rows = []
    for column, part in cells:
        for system, own in part.groupby(_SYSTEM):
            behind = pretrained.merge(own[_PRETRAINING].drop_duplicates(), on=_PRETRAINING)
            known = {"budget": own["budget"].iloc[0], "data": "+".join(sorted(set(own["data"]))), "column": column}
            rows.append(known | dict(zip(_SYSTEM, system, strict=True)) | _sums(behind, own))
    return pd.DataFrame(rows)


def _sums(pretrained: pd.DataFrame, evaluated: pd.DataFrame) -> dict[str, object]:
    both = pd.concat([pretrained, evaluated])
    missing = both[both["status"] != "ok"]
    return {
        "n_runs": len(both),
        "n_without": len(missing),
        "pretrain_hours": _total(pretrained["hours"]),
        "evaluate_hours": _total(evaluated["hours"]),
        "gpu_hours": _total(both["gpu_hours"]),
        "cpu_hours": _total(both["cpu_hours"]),
        "peak_memory_mb": both["peak_memory_mb"].max(),
        "peak_gpu_memory_mb": both["peak_gpu_memory_mb"].max(),
        "n_parameters": evaluated["n_parameters"].max(),
        "pretrain_tflop": _total(_tflop(pretrained)),
        "evaluate_tflop": _total(_tflop(evaluated)),
        "energy_wh": _total(both["energy_wh"]),
        "reason": " | ".join(dict.fromkeys(reason for reason in both["reason"] if reason)),
    }


def _tflop(costs: pd.DataFrame) -> pd.Series:
    return costs["flops_per_step"].astype(float) * costs["n_steps"].astype(float) / 1e12


def _total(values: pd.Series) -> float:
    return float(values.astype(float).sum(skipna=False))
