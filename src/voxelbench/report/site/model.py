"""What the pages show, as plain records: cells of tables, each with its runs, and tables in two shapes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from voxelbench.cards import DatasetCard
from voxelbench.config import read_budget
from voxelbench.report.site.evidence import Run
from voxelbench.report.site.sources import Row, TableSource
from voxelbench.report.table_view import NOTE_SEPARATOR

System = tuple[str, str, str]
"""A row of a table: method, variant with its ablation, encoder."""


def system(row: Row) -> System:
    """Return whose row of a CSV this is; of scores, which keep the ablation apart, too."""
    variant = ".".join(part for part in (row["variant"], row.get("ablation", "")) if part)
    return row["method"], variant, row["encoder"]


def slug(*parts: str) -> str:
    """Return the name of a file: the parts with what is safe on every file system, and in a URL, alone."""
    return "-".join(re.sub(r"[^A-Za-z0-9_.-]+", "_", part) for part in parts if part)


@dataclass(frozen=True)
class Pretraining:
    """A pretraining run, and the name of its page."""

    run: Run
    page: str


@dataclass(frozen=True)
class Cell:
    """One cell of one table.

    `row` is the first row of its scores, for what they share; `statistics` is its row of the comparisons, empty where
    there is none.
    """

    table: TableSource = field(repr=False)
    column: str
    system: System
    row: Row
    statistics: Row
    card: DatasetCard
    runs: tuple[Run, ...]
    pretraining: tuple[Pretraining, ...]
    contaminations: tuple[Path, ...]
    cases: tuple[Row, ...]
    costs: tuple[Row, ...]
    reasons: tuple[str, ...]
    contamination: tuple[str, ...]

    @property
    def name(self) -> str:
        """Method and variant, as on the command line."""
        return ".".join(part for part in self.system[:2] if part)

    @property
    def page(self) -> str:
        """The page of the cell, from the top of the site."""
        return f"cells/{slug(self.table.name, self.column, self.name, self.system[2])}.html"

    @property
    def modality(self) -> str:
        """The modality of the dataset."""
        return self.card.modality

    @property
    def shows_slices(self) -> bool:
        """Whether slices of the cases may be on a page that others read: of synthetic ones always."""
        return self.row["data"] != "real" or self.card.may_be_redistributed

    @property
    def lists_subjects(self) -> bool:
        """Whether a page that others read may have a line a case: of synthetic ones always."""
        return self.row["data"] != "real" or self.card.lists_subjects

    @property
    def status(self) -> str:
        """`ok`, or what the runs without scores have in common: `gated`, `failed`, `missing`."""
        return self.row["status"]

    @property
    def has_value(self) -> bool:
        """Whether the statistics have a value for it."""
        return bool(self.statistics.get("value"))

    @property
    def direction(self) -> str:
        """`above` or `below` where the interval of the difference from scratch leaves out 0, else nothing."""
        low, high = self.statistics.get("scratch_low"), self.statistics.get("scratch_high")
        if not low or not high:
            return ""
        return "above" if float(low) > 0 else "below" if float(high) < 0 else ""

    @property
    def notes(self) -> list[str]:
        """What the statistics and the table say of the cell in words."""
        said = split_notes(self.statistics.get("notes", ""))
        rows = [row for row in self.table.rows if system(row) == self.system]
        prefix = f"{self.column}: "
        found = (note for row in rows for note in split_notes(row.get("notes", "")) if note.startswith(prefix))
        return list(dict.fromkeys([*said, *(note.removeprefix(prefix) for note in found)]))


@dataclass(frozen=True)
class Line:
    """One row of a matrix; `summary` is its row of the table, `rank` that of the ranks, both empty if not there."""

    system: System
    cells: tuple[Cell | None, ...]
    summary: Row
    rank: Row

    @property
    def name(self) -> str:
        """Method and variant, as on the command line."""
        return ".".join(part for part in self.system[:2] if part)


@dataclass(frozen=True)
class Matrix:
    """A table as people know it: systems by columns."""

    table: TableSource
    lines: tuple[Line, ...]

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, column by column."""
        return tuple(
            cell for column in zip(*(line.cells for line in self.lines), strict=True) for cell in column if cell
        )

    @property
    def encoders(self) -> set[str]:
        """The networks of the rows."""
        return {line.system[2] for line in self.lines}

    @property
    def data(self) -> str:
        """`real`, `phantom`, or both."""
        return "+".join(sorted({cell.row["data"] for cell in self.cells}))

    @property
    def rank_notes(self) -> list[str]:
        """What the ranks say of themselves in words, each once."""
        notes = (note for row in self.table.ranks for note in split_notes(row.get("notes", "")))
        return list(dict.fromkeys(notes))

    def column(self, name: str) -> Sequence[Cell]:
        """Return the cells of a column that have a value."""
        return [cell for cell in self.cells if cell.column == name and cell.has_value]

    def n_cases(self, name: str) -> str:
        """Return the number of test cases that all cells of a column share, or nothing if they differ."""
        found = {cell.statistics["n_cases"] for cell in self.column(name)}
        return found.pop() if len(found) == 1 else ""

    def separates(self, name: str) -> bool:
        """Whether a column has more than one tie group; where all tie, nobody is best."""
        return len({cell.statistics.get("group", "") for cell in self.column(name)}) > 1

    def is_small(self, name: str) -> bool:
        """Whether any cell of the column has few patients."""
        return any(is_true(cell.statistics.get("is_small", "")) for cell in self.column(name))


def is_true(text: str) -> bool:
    """Return whether a CSV says yes."""
    return text.lower() in ("true", "1", "yes")


def split_notes(notes: str) -> list[str]:
    """Return the notes of a row."""
    return [note for note in notes.split(NOTE_SEPARATOR) if note]


def is_demonstration(matrices: Iterable[Matrix]) -> bool:
    """Return whether any number comes from a budget for synthetic data, or from such data, and so ranks no method."""
    return any("phantom" in (read_budget(matrix.table.budget).data, *matrix.data.split("+")) for matrix in matrices)
