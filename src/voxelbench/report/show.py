"""A table for a person at a terminal."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voxelbench import paths
from voxelbench.errors import DataError
from voxelbench.figure_inputs import table_figure
from voxelbench.report.table_view import view_table


def show(path: Path) -> None:
    """Print one line a dataset and one column a method, with intervals and n, and where to look next."""
    if not path.is_file():
        raise DataError(f"{path}: no such table; make it with `make {path}`.")
    rows = pd.read_csv(path, dtype=str).fillna("")
    shown = view_table(path.stem, rows)
    table = Table("dataset", title=f"{path}: {shown.caption}")
    for head in shown.cells.columns:
        table.add_column(head, justify="right")
    for dataset, cells in shown.cells.iterrows():
        is_strong = shown.is_strong.loc[str(dataset)]
        styles = ("bold" if each else "" for each in is_strong)
        table.add_row(str(dataset), *(Text(cell, style) for cell, style in zip(cells, styles, strict=True)))
    console = Console()
    console.print(table)
    for note in shown.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    budget = rows["budget"].iloc[0] if len(rows) else ""
    console.print(
        f"next: {paths.scores(budget, path.stem)} (every metric), {paths.comparisons(budget, path.stem)} (who differs "
        f"from whom), {paths.figure(budget, table_figure(path.stem))} (a figure), "
        f"{paths.evaluate_runs(budget)} (every run: cases.csv, run.json, spec.yaml, losses.csv)",
        highlight=False,
        soft_wrap=True,
    )
