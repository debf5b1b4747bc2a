"""Tables as figures read them."""

from pathlib import Path

import pandas as pd

from voxelbench.errors import DataError
from voxelbench.report.table_view import NOTE_SEPARATOR


def read_table(path: Path) -> pd.DataFrame:
    """Return a CSV of results, an empty variant or note as "". Raises DataError if it is missing or has no rows."""
    if not path.is_file():
        raise DataError(f"{path}: no such table to draw; make it with `make {path}`.")
    rows = pd.read_csv(path)
    if rows.empty:
        raise DataError(f"{path}: the table has no rows, so there is nothing to draw; make it anew.")
    texts = [name for name in ("method", "variant", "encoder", "notes", "reason") if name in rows]
    return rows.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))


def empty_reason(row: pd.Series, column: str) -> str:
    """Return what the notes of a table's row say of one column, first of all why it is empty; "" if nothing."""
    said = (note.partition(": ") for note in row.get("notes", "").split(NOTE_SEPARATOR))
    return next((text for name, _, text in said if name == column), "")
