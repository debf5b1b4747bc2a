"""The files that the site shows, as rows of text: a number on a page is the one that its CSV says."""

import csv
from dataclasses import dataclass
from pathlib import Path

from voxelbench import paths
from voxelbench.config import Table, read_config, table_budget, table_config
from voxelbench.figure_inputs import figure_budget, figure_names, figure_settings

Row = dict[str, str]
"""One line of a CSV, by column."""


@dataclass(frozen=True)
class TableSource:
    """The files behind one table; `missing` are those that are not there."""

    name: str
    budget: str
    config: Table
    scores: list[Row]
    cases: list[Row]
    comparisons: list[Row]
    ranks: list[Row]
    costs: list[Row]
    rows: list[Row]
    missing: tuple[Path, ...]


def read_rows(path: Path) -> list[Row]:
    """Return the lines of a CSV; none if it is not there."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_table(name: str, budget: str | None) -> TableSource:
    """Read all that is there of one table, in its budget."""
    budget = table_budget(name, budget)
    files = table_files(name, budget)
    frames = {key: read_rows(path) for key, path in files.items()}
    missing = tuple(path for path in files.values() if not path.is_file())
    return TableSource(name, budget, table_config(name), **frames, missing=missing)


def table_files(name: str, budget: str) -> dict[str, Path]:
    """Return the files that the site reads of one table, by the field that they fill."""
    return {
        "scores": paths.scores(budget, name),
        "cases": paths.case_scores(budget, name),
        "comparisons": paths.comparisons(budget, name),
        "ranks": paths.ranks(budget, name),
        "costs": paths.cost_summary(budget, name),
        "rows": paths.table(budget, name),
    }


def site_figures() -> list[str]:
    """Return the figures that the site is made with: those of the config, else all of its tables."""
    site = read_config().site
    if site.figures is not None:
        return list(site.figures)
    return [name for name in figure_names() if figure_settings(name).table in site.tables]


def drawn_figures(asked: str | None) -> list[str]:
    """Return the figures that the site shows: those that it is made with, then others of its budgets that are there."""
    made = site_figures()
    if read_config().site.figures is not None:
        return made
    others = (name for name in figure_names() if name not in made)
    return [*made, *(name for name in others if paths.figure(figure_budget(name, asked), name).is_file())]
