"""From the scores of cases to `comparisons.csv` and `ranks.csv`."""

from pathlib import Path

import pandas as pd

from voxelbench import paths
from voxelbench.atomic import write_text
from voxelbench.config import table_budget
from voxelbench.report.comparisons import comparisons
from voxelbench.report.ranks import ranks
from voxelbench.report.rows import ComparisonRow, CsvRow, RankRow
from voxelbench.report.schema import check, read_case_scores, read_scores

_CELL = ["column", "method", "variant", "ablation", "encoder"]


def write_comparisons(table: str, budget: str | None) -> None:
    """Write what statistics say of the cells of a table and of its rows over all datasets."""
    budget = table_budget(table, budget)
    scores = read_scores(paths.scores(budget, table))
    cases = complete_cells(read_case_scores(paths.case_scores(budget, table)), scores)
    compared = comparisons(cases)
    _write(paths.comparisons(budget, table), compared, ComparisonRow)
    _write(paths.ranks(budget, table), ranks(cases, compared), RankRow)


def complete_cells(cases: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the cases of cells all of whose runs have scores: a table leaves a cell empty where one is missing."""
    incomplete = scores.loc[scores["status"] != "ok", _CELL].drop_duplicates()
    found = cases.merge(incomplete, on=_CELL, how="left", indicator=True)
    return cases[(found["_merge"] == "left_only").to_numpy()]


def _write(path: Path, frame: pd.DataFrame, model: type[CsvRow]) -> None:
    check(frame, model, path)
    write_text(path, frame.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
