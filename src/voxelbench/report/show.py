"""A table for a person at a terminal."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from voxelbench import paths
from voxelbench.errors import DataError
from voxelbench.figure_inputs import table_figure
from voxelbench.report.cells import GAIN
from voxelbench.report.tables import NOTE_SEPARATOR

_IDENTITY = ("method", "variant", "encoder", "budget", "data")
"""What names a row; the encoder only where rows have several."""


def show(path: Path) -> None:
    """Print one line a dataset and one column a method, with intervals and n, and where to look next."""
    if not path.is_file():
        raise DataError(f"{path}: no such table; make it with `make {path}`.")
    rows = pd.read_csv(path, dtype=str).fillna("")
    console = Console()
    counted = "n cases, of a gain n seeds" if any(name.endswith(GAIN) for name in rows.columns) else "n cases"
    table = Table(title=f"{path} (x 100, 95 % interval, {counted})")
    table.add_column("dataset")
    shared = {"encoder"} if rows["encoder"].nunique() == 1 else set()
    for _, row in rows.iterrows():
        named = " ".join(row[name] for name in _IDENTITY if row[name] and name not in shared)
        table.add_column(named, justify="right")
    for column in [name.removesuffix("_n") for name in rows.columns if name.endswith("_n")]:
        table.add_row(column, *(_cell(row, column) for _, row in rows.iterrows()))
    if "average" in rows.columns:
        table.add_section()
        table.add_row("average", *(row["average"] or "-" for _, row in rows.iterrows()))
    console.print(table)
    for note in sorted({note for notes in rows["notes"] for note in notes.split(NOTE_SEPARATOR) if note}):
        console.print(f"note: {note}", highlight=False)
    budget = rows["budget"].iloc[0] if len(rows) else ""
    console.print(
        f"next: {paths.scores(budget, path.stem)} (every metric), "
        f"{paths.figure(budget, table_figure(path.stem))} (a figure), "
        f"{paths.evaluate_runs(budget)} (every run: cases.csv, run.json, spec.yaml, losses.csv)",
        highlight=False,
        soft_wrap=True,
    )


def _cell(row: pd.Series, column: str) -> str:
    if not row[column]:
        return "-"
    interval = f" [{row[f'{column}_low']}, {row[f'{column}_high']}]" if row[f"{column}_low"] else ""
    return f"{row[column]}{interval} n={row[f'{column}_n']}"
