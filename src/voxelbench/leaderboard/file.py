"""Leaderboards as CSV: sorted, values with two decimals, so the same rows give the same bytes in whatever order."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from voxelbench.atomic import write_text
from voxelbench.errors import DataError
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.report.schema import parse_table

_DECIMALS = ("value", "low", "high")


def read_leaderboard(path: Path) -> list[LeaderboardRow]:
    """Return the rows of a leaderboard. Raises DataError, with the first problem, if a row is not one."""
    rows, problems = parse_table(path, LeaderboardRow)
    if problems:
        raise DataError(problems[0][1])
    return [row for _, row in rows]


def write_leaderboard(path: Path, rows: Iterable[LeaderboardRow]) -> None:
    """Write rows, sorted by what they are values of, whole or not at all."""
    write_text(path, leaderboard_text(rows))


def leaderboard_text(rows: Iterable[LeaderboardRow]) -> str:
    """Return rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, LeaderboardRow.columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_cells(row) for row in sorted(rows, key=lambda row: row.key))
    return text.getvalue()


def decimals(number: float | None) -> str:
    """Return a number as leaderboards print it, with two decimals and no negative zero; nothing for none."""
    return "" if number is None else f"{round(number, 2) + 0.0:.2f}"


def _cells(row: LeaderboardRow) -> dict[str, str]:
    cells = {name: "" if value is None else str(value) for name, value in row.model_dump().items()}
    return cells | {name: decimals(getattr(row, name)) for name in _DECIMALS} | {"fraction": f"{row.fraction:g}"}
