"""A table as people know it: a line a dataset, a column a method, each cell a mean with its interval and n."""

import pandas as pd

from voxelbench.config import read_config
from voxelbench.report.cells import GAIN
from voxelbench.report.shown import Shown

NOTE_SEPARATOR = " | "

_NAME = ("method", "variant", "encoder")
"""What names a row; the encoder only where rows have several."""

_BEST_GROUP = "1"


def view_table(name: str, rows: pd.DataFrame) -> Shown:
    """Return a table, all of its cells texts as in its CSV, for a reader."""
    datasets = [column.removesuffix("_n") for column in rows.columns if column.endswith("_n")]
    named = dict(zip(_heads(rows), (row for _, row in rows.iterrows()), strict=True))
    cells = {head: [_cell(row, dataset) for dataset in datasets] for head, row in named.items()}
    strong = dict(zip(named, zip(*(_stands_out(rows, dataset) for dataset in datasets), strict=True), strict=True))
    index = pd.Index(datasets, name="dataset")
    shown, is_strong = pd.DataFrame(cells, index), pd.DataFrame(strong, index)
    if "average" in rows.columns:
        shown.loc["average"] = [value or "-" for value in rows["average"]]
        is_strong.loc["average"] = False
    return Shown(shown, is_strong, _caption(name, rows), _notes(rows, datasets))


def _stands_out(rows: pd.DataFrame, dataset: str) -> list[bool]:
    """Return which rows are not separable from the best of a dataset; none where all tie."""
    column = f"{dataset}_group"
    if column not in rows or set(rows[column]) <= {_BEST_GROUP, ""}:
        return [False] * len(rows)
    return [group == _BEST_GROUP for group in rows[column]]


def _heads(rows: pd.DataFrame) -> list[str]:
    names = [name for name in _NAME if name != "encoder" or rows["encoder"].nunique() > 1]
    return [".".join(row[name] for name in names if row[name]) for _, row in rows.iterrows()]


def _cell(row: pd.Series, dataset: str) -> str:
    if not row[dataset]:
        return "-"
    interval = f" [{row[f'{dataset}_low']}, {row[f'{dataset}_high']}]" if row[f"{dataset}_low"] else ""
    return f"{row[dataset]}{interval} n={row[f'{dataset}_n']}"


def _notes(rows: pd.DataFrame, datasets: list[str]) -> tuple[str, ...]:
    """Return each note once, behind all the datasets that it is of."""
    of: dict[str, set[str]] = {}
    for note in (note for notes in rows["notes"] for note in notes.split(NOTE_SEPARATOR) if note):
        dataset, _, text = note.partition(": ")
        of.setdefault(text if dataset in datasets else note, set()).add(dataset if dataset in datasets else "")
    ordered = {text: [dataset for dataset in datasets if dataset in found] for text, found in of.items()}
    return tuple(sorted(f"{', '.join(found)}: {text}" if found else text for text, found in ordered.items()))


def _caption(name: str, rows: pd.DataFrame) -> str:
    budget, data = ("+".join(sorted(set(rows[column]))) for column in ("budget", "data"))
    tables = read_config().tables
    title = tables[name].title if name in tables else name
    counted = "n cases, of a gain n seeds" if any(column.endswith(GAIN) for column in rows.columns) else "n cases"
    strong = (
        ". Bold: not separable from the best, where not all tie"
        if any(column.endswith("_group") for column in rows.columns)
        else ""
    )
    warning = "; ranks no method" if data != "real" else ""
    return f"{title} (budget {budget}, data {data}{warning}). x 100, 95 % interval, {counted}{strong}"
