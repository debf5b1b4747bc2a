"""From the scores of cases to `comparisons.csv` and `ranks.csv`."""

from pathlib import Path

import pandas as pd

from voxelbench import paths
from voxelbench.atomic import write_text
from voxelbench.config import table_budget
from voxelbench.report.comparisons import comparisons
from voxelbench.report.ranks import ranks
from voxelbench.report.rows import ComparisonRow, CsvRow, RankRow
from voxelbench.report.schema import check, read_case_scores


def write_comparisons(table: str, budget: str | None) -> None:
    """Write what statistics say of the cells of a table and of its rows over all datasets."""
    budget = table_budget(table, budget)
    cases = read_case_scores(paths.case_scores(budget, table))
    compared = comparisons(cases)
    _write(paths.comparisons(budget, table), compared, ComparisonRow)
    _write(paths.ranks(budget, table), ranks(cases, compared), RankRow)


def _write(path: Path, frame: pd.DataFrame, model: type[CsvRow]) -> None:
    check(frame, model, path)
    write_text(path, frame.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
