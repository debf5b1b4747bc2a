"""`cases.csv`: one row a case, class and metric. Imports no torch, so tables read it without."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from voxelbench.atomic import write_text
from voxelbench.errors import DataError

TOKEN_AUC = "token_auc"
"""The metric of a token probe."""

Space = Literal["grid", "native", "tokens"]
"""Where a score was taken: on the grid that the network reads, on the scanner's own, or on the encoder's."""

COLUMNS = ("case_id", "patient_id", "class", "metric", "value", "n_voxels", "space")


@dataclass(frozen=True)
class Row:
    """One score, taken over `n_voxels` of `space`. `item` is an organ, a class, a dose or a pair of contrasts."""

    case_id: str
    patient_id: str
    item: str
    metric: str
    value: float
    n_voxels: int
    space: Space


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as a table with the columns of `cases.csv`."""
    return pd.DataFrame([astuple(row) for row in rows], columns=list(COLUMNS))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows sorted, with six decimals, whole or not at all."""
    table = to_frame(rows).sort_values(["case_id", "class", "metric", "space"], kind="stable")
    write_text(path, table.to_csv(index=False, float_format="%.6f", lineterminator="\n"))


def read_rows(path: Path) -> pd.DataFrame:
    """Read the rows of a run. Raises DataError if the file is not one of rows."""
    table = pd.read_csv(path, dtype={"case_id": str, "patient_id": str, "class": str})
    if tuple(table.columns) != COLUMNS:
        raise DataError(
            f"{path}: has columns {list(table.columns)}, expected {list(COLUMNS)}; delete it and evaluate again."
        )
    return table
