"""`cases.csv`: tidy, one row a run and test case, with the value that tables are made of."""

import pandas as pd

from voxelbench import paths
from voxelbench.config import Column, task_card
from voxelbench.evaluate.rows import read_rows
from voxelbench.evaluate.summary import HEADLINE, case_values, headline_space
from voxelbench.recipes import recipe_name
from voxelbench.report.identity import identity
from voxelbench.report.rows import CaseRow
from voxelbench.report.status import status
from voxelbench.runs import EvalRun


def case_scores(table: str, runs: list[tuple[Column, EvalRun]]) -> pd.DataFrame:
    """Return the headline value of each test case of the runs that have scores, in the space that tables show."""
    rows = [_rows(table, column, run) for column, run in runs if status(run).name == "ok"]
    frame = pd.concat(rows) if rows else pd.DataFrame(columns=CaseRow.columns())
    order = ["dataset", "task", "column", "method", "variant", "ablation", "encoder", "fold", "seed", "case_id"]
    return frame[CaseRow.columns()].sort_values(order, kind="stable", ignore_index=True)


def _rows(table: str, column: Column, run: EvalRun) -> pd.DataFrame:
    kind = task_card(run.dataset, run.task).kind
    metric = HEADLINE[recipe_name(kind, run.protocol)]
    rows = read_rows(run.folder() / paths.CASES)
    space = headline_space(rows, run.selection)
    values = case_values(kind, rows[rows["space"] == space])
    if metric not in values:
        return pd.DataFrame(columns=CaseRow.columns())
    values = values.dropna(subset=[metric]).reset_index().rename(columns={metric: "value"})
    known = {**identity(table, column, run), "metric": metric, "space": space}
    return values[["case_id", "patient_id", "value"]].merge(pd.DataFrame([known]), how="cross")
