"""Reading and checking the tidy CSVs: every cell is what its row model says, or one sentence names line and column."""

import csv
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args

import pandas as pd
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from voxelbench.errors import DataError, nearest
from voxelbench.report.rows import CaseRow, ComparisonRow, CsvRow, ScoreRow

Row = TypeVar("Row", bound=CsvRow)

_DTYPES: dict[Any, str] = {int: "Int64", float: "float64", bool: "boolean", str: "str"}


def read_scores(path: Path) -> pd.DataFrame:
    """Return a checked `scores.csv`. Raises DataError."""
    return read_table(path, ScoreRow)


def read_case_scores(path: Path) -> pd.DataFrame:
    """Return a checked tidy `cases.csv`. Raises DataError."""
    return read_table(path, CaseRow)


def read_comparisons(path: Path) -> pd.DataFrame:
    """Return a checked `comparisons.csv`. Raises DataError."""
    return read_table(path, ComparisonRow)


def read_table(path: Path, model: type[CsvRow]) -> pd.DataFrame:
    """Return a checked CSV: texts ("" where empty), float64 (NaN), Int64 and boolean (NA). Raises DataError."""
    header, lines, cells = _read_cells(path, model)
    _check_header(header, model, path)
    rows = _check_rows([dict(zip(header, row, strict=True)) for row in cells], lines, model, path)
    return _typed(rows, model)


def parse_table(path: Path, model: type[Row]) -> tuple[list[tuple[int, Row]], list[tuple[int, str]]]:
    """Return the rows that are right, and one sentence for each thing that is wrong with the others, all by line.

    Raises DataError if the file is no table with the columns of `model`.
    """
    header, lines, cells = _read_cells(path, model)
    _check_header(header, model, path)
    rows: list[tuple[int, Row]] = []
    problems: list[tuple[int, str]] = []
    for line, row in zip(lines, cells, strict=True):
        try:
            filled = {name: cell for name, cell in zip(header, row, strict=True) if cell}
            rows.append((line, model.model_validate(filled)))
        except ValidationError as error:
            found = error.errors(include_url=False)
            problems += [(line, f"{path}: line {line}{_said(problem, *problem['loc'])}") for problem in found]
    return rows, problems


def check(frame: pd.DataFrame, model: type[CsvRow], path: Path) -> None:
    """Raise DataError unless every row of a frame is one of `model`; its first row is line 2 of `path`."""
    _check_header(list(frame.columns), model, path)
    cells = frame.astype(object).where(frame.notna(), None)
    rows = [dict(zip(frame.columns, row, strict=True)) for row in cells.to_numpy().tolist()]
    _check_rows(rows, range(2, len(frame) + 2), model, path)


def dtypes(model: type[CsvRow]) -> dict[str, str]:
    """Return the pandas type of each column of a model."""
    return {name: _dtype(field.annotation) for name, field in model.model_fields.items()}


def _read_cells(path: Path, model: type[CsvRow]) -> tuple[list[str], list[int], list[list[str]]]:
    """Return the header, and of each row the line that it starts on and its cells: a quoted cell may span lines."""
    remake = f"delete it and make it again with `{model.MADE_BY}`"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            header, lines, cells = next(reader, []), [], []
            start = reader.line_num + 1
            for row in reader:
                lines.append(start)
                cells.append(row)
                start = reader.line_num + 1
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; make it with `{model.MADE_BY}`.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; {remake}.") from None
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} is not CSV ({error}); {remake}.") from None
    for line, row in zip(lines, cells, strict=True):
        if len(row) != len(header):
            raise DataError(f"{path}: line {line} has {len(row)} cells, the header has {len(header)}; {remake}.")
    return header, lines, cells


def _check_header(header: list[str], model: type[CsvRow], path: Path) -> None:
    known = model.columns()
    for column in header:
        if column not in known:
            raise DataError(f"{path}: unknown column '{column}'.{nearest(column, known)}")
        if header.count(column) > 1:
            raise DataError(f"{path}: column '{column}' is there {header.count(column)} times; keep one.")
    for column in known:
        if column not in header and column not in model.OPTIONAL:
            raise DataError(f"{path}: column '{column}' is missing; make the file again with `{model.MADE_BY}`.")


def _check_rows(rows: list[dict[str, Any]], lines: Iterable[int], model: type[CsvRow], path: Path) -> list[CsvRow]:
    """Return the rows as models. Raises DataError for the first cell that is wrong, and for two rows of one key."""
    numbers = list(lines)
    filled = [{name: cell for name, cell in row.items() if cell is not None and cell != ""} for row in rows]
    try:
        parsed = _adapter(model).validate_python(filled)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        index, *cell = problem["loc"]
        raise DataError(f"{path}: line {numbers[int(index)]}{_said(problem, *cell)}") from None
    first: dict[tuple[object, ...], int] = {}
    for line, row in zip(numbers, parsed, strict=True):
        key = tuple(getattr(row, name) for name in model.KEY)
        if key in first:
            named = ", ".join(f"{name} {value}" for name, value in zip(model.KEY, key, strict=True) if value != "")
            raise DataError(f"{path}: line {line} repeats line {first[key]} ({named}); keep one.")
        first[key] = line
    return parsed


@cache
def _adapter(model: type[CsvRow]) -> TypeAdapter[list[CsvRow]]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]


def _said(problem: ErrorDetails, *cell: int | str) -> str:
    """Return what is wrong with a cell, or with a row where no single cell is to blame."""
    message = problem["msg"].removeprefix("Value error, ")
    if not cell:
        return f": {message}."
    if problem["type"] == "missing":
        return f", column {cell[0]} is empty, and may not be."
    return f", column {cell[0]} is {problem['input']!r}: {message[0].lower()}{message[1:]}."


def _typed(rows: list[CsvRow], model: type[CsvRow]) -> pd.DataFrame:
    """Return rows as a frame whose types do not depend on the cells."""
    frame = pd.DataFrame([dict(row) for row in rows], columns=model.columns(), dtype=object)
    return frame.astype(dtypes(model))


def _dtype(annotation: Any) -> str:
    """Return the type of a column: that of its annotation, without `Annotated`, `None` and the values of a literal."""
    for kind in _kinds(annotation):
        if isinstance(kind, type) and kind in _DTYPES:
            return _DTYPES[kind]
    return "str"


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)
