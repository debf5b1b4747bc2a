"""What an analysis left for figures: its tables, and the slices behind its maps."""

from pathlib import Path

import numpy as np
import pandas as pd

from voxelbench import paths
from voxelbench.errors import DataError
from voxelbench.figure_settings import AnalysisFigure
from voxelbench.report.figures.request import Request

Slice = dict[str, np.ndarray]
ENCODER = ["dataset", "method", "variant"]


def read_analysis(request: Request, file: str) -> pd.DataFrame:
    """Read a table of the figure's analysis; identities and reasons are text. Raises DataError if it is not there."""
    path = _file(request, file)
    text = ["dataset", "method", "variant", "encoder", "case_id", "anchor", "organ", "hidden", "reason", "status"]
    table = pd.read_csv(path, dtype=dict.fromkeys(text, "string"))
    present = [column for column in text if column in table]
    return table.assign(**{column: table[column].fillna("") for column in present})


def slices_path(request: Request) -> str:
    """Return the file of the slices of the figure's analysis. Raises DataError if it is not there."""
    return str(_file(request, paths.SLICES))


def read_slices(path: str) -> dict[str, Slice]:
    """Read slices by their names."""
    slices: dict[str, Slice] = {}
    with np.load(path) as arrays:
        for key in arrays.files:
            name, _, what = key.rpartition("/")
            slices.setdefault(name, {})[what] = arrays[key]
    return slices


def _file(request: Request, file: str) -> Path:
    assert isinstance(request.settings, AnalysisFigure)
    analysis = request.settings.analysis
    path = paths.analysis(request.budget, analysis) / file
    if not path.is_file():
        raise DataError(
            f"{path}: there is nothing to draw yet; run `voxelbench analyse {analysis} --budget {request.budget}`."
        )
    return path


def why_empty(rows: pd.DataFrame) -> str:
    """Return why there is nothing to draw of the rows of one encoder, or nothing."""
    first = rows.iloc[0]
    return str(first["reason"] or first["hidden"])
