"""Tables (CSV): every row complete and every cell text, or one sentence that names the line."""

import csv
from collections.abc import Iterable
from pathlib import Path

from voxelbench.errors import DataError, VoxelbenchError

_ENCODING = "utf-8-sig"
"""UTF-8, with or without the mark that spreadsheets put in front."""


def columns(path: Path) -> list[str]:
    """Return the names in the first line of a table, whatever else the file holds; none if that is no such line."""
    with path.open(newline="", encoding=_ENCODING, errors="replace") as file:
        line = file.readline()
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def read_table(
    path: Path, needed: Iterable[str], error: type[VoxelbenchError] = DataError
) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table by column, each with the number of its last line.

    Raises `error` if it is not UTF-8, a column of `needed` is absent, or a row has more or fewer cells than the first
    line has names. A file that is not there is a FileNotFoundError.
    """
    try:
        with path.open(newline="", encoding=_ENCODING) as file:
            reader = csv.reader(file, strict=True)
            names = next(reader, [])
            rows = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise error(f"{path}: not a table in UTF-8 ({type(problem).__name__}); restore it or write it again.") from None
    missing = [name for name in needed if name not in names]
    if missing:
        raise error(f"{path}: has no column '{missing[0]}' in its first line; restore it or write it again.")
    for line, cells in rows:
        if len(cells) != len(names):
            raise error(f"{path}: line {line} has {len(cells)} cells, expected {len(names)}; complete the line.")
    return [(line, dict(zip(names, cells, strict=True))) for line, cells in rows]
