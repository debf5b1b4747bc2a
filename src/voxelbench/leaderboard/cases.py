"""The value of each test case behind a submitted leaderboard: `cases.csv`, or its columns that matter."""

import csv
import io
from collections.abc import Iterable
from typing import Literal

from pydantic import Field, FiniteFloat

from voxelbench.evaluate.rows import Space
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.report.rows import Count, CsvRow, Share, Text
from voxelbench.runs import Protocol, Selection

SHARED = (
    *("method", "variant", "ablation", "encoder", "corpus", "dataset", "task", "fraction", "metric", "space", "split"),
    *("protocol", "selection", "budget", "data"),
)
"""What a case says of itself in the same words as the row that it is behind; the fold besides."""


class SubmittedCase(CsvRow):
    """The score of one test case under one seed, not scaled: a Dice of 0.84. Other columns of `cases.csv` may stay."""

    KEY = (*SHARED, "fold", "seed", "case_id")
    MADE_BY = "voxelbench scores"
    OPTIONAL = ("column", "track", "stem", "spec_sha256")

    method: Text
    variant: str = ""
    ablation: str = ""
    encoder: Text
    corpus: Text
    dataset: Text
    task: Text
    fraction: Share
    metric: Text
    space: Space
    split: Text
    fold: Count
    protocol: Protocol
    selection: Selection
    budget: Text
    data: Literal["real", "phantom"]
    seed: Count
    case_id: Text
    patient_id: Text
    value: FiniteFloat
    column: str = Field("", exclude=True)
    track: str = Field("", exclude=True)
    stem: str = Field("", exclude=True)
    spec_sha256: str = Field("", exclude=True)

    def is_behind(self, row: LeaderboardRow) -> bool:
        """Whether the case is one of those that a row is the mean of."""
        return str(self.fold) in row.fold.split("+") and not self.contradicts(row)

    def contradicts(self, row: LeaderboardRow) -> list[str]:
        """Return the columns in which a case and a row say different things."""
        return [name for name in SHARED if getattr(self, name) != getattr(row, name)]


def cases_text(cases: Iterable[SubmittedCase]) -> str:
    """Return cases as CSV, sorted, with six decimals: the same bytes in whatever order they come."""
    rows = [case.model_dump() | {"fraction": f"{case.fraction:g}", "value": f"{case.value:.6f}"} for case in cases]
    names = [name for name in SubmittedCase.columns() if name not in SubmittedCase.OPTIONAL]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: [str(row[name]) for name in SubmittedCase.KEY]))
    return text.getvalue()
