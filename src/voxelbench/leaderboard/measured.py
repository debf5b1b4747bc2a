"""Our values as rows of a leaderboard, from the scores of tables, the scores of their cases and their comparisons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from voxelbench import __version__, paths
from voxelbench.code_version import code_version
from voxelbench.leaderboard.metrics import metric
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.report.rows import ComparisonRow
from voxelbench.report.schema import read_case_scores, read_scores, read_table
from voxelbench.runs import RANDOM

SOURCE = "voxelbench"
CASE_INTERVAL = "BCa bootstrap over patients and seeds"

_CELL = ["column", "method", "variant", "ablation", "encoder"]
_SHARED = (
    *("method", "variant", "ablation", "encoder", "corpus", "dataset", "task", "fraction", "split", "protocol"),
    *("selection", "budget", "data"),
)


@dataclass(frozen=True)
class Absent:
    """A cell of a table without a value, and why."""

    method: str
    variant: str
    ablation: str
    dataset: str
    task: str
    fraction: float
    reason: str


@dataclass(frozen=True)
class Measured:
    """What tables hold: rows with a value, and the cells that have none."""

    rows: tuple[LeaderboardRow, ...]
    absent: tuple[Absent, ...]


def read_measured(tables: Sequence[str], budget: str) -> Measured:
    """Return the values of tables of a budget; what several tables show of the same runs is there once."""
    rows: dict[tuple[object, ...], LeaderboardRow] = {}
    absent: list[Absent] = []
    for table in tables:
        scores = read_scores(paths.scores(budget, table))
        cases = read_case_scores(paths.case_scores(budget, table))
        found = measured(scores, cases, read_table(paths.comparisons(budget, table), ComparisonRow))
        rows = {row.key: row for row in found.rows} | rows
        absent += found.absent
    return Measured(tuple(rows.values()), tuple(dict.fromkeys(absent)))


def measured(scores: pd.DataFrame, cases: pd.DataFrame, comparisons: pd.DataFrame) -> Measured:
    """Return the values behind one table: the cells that it shows, their gains, and every other metric and space."""
    rows: list[LeaderboardRow] = []
    absent: list[Absent] = []
    shown = {_table_key(row): row for _, row in comparisons.iterrows()}
    cases_of = {_cell_key(key): of_cell for key, of_cell in cases.groupby(_CELL, sort=False)}
    for key, of_cell in scores.groupby(_CELL, sort=False):
        first = of_cell.iloc[0]
        missing = of_cell.loc[of_cell["status"] != "ok", "reason"]
        if len(missing):
            reason = "; ".join(dict.fromkeys(missing))
            names = ("method", "variant", "ablation", "dataset", "task", "fraction")
            absent.append(Absent(**{name: first[name] for name in names}, reason=reason))
            continue
        shared = _shared(of_cell)
        tested, cell = cases_of.get(_cell_key(key)), shown.get(_table_key(first))
        if tested is not None and cell is not None and not pd.isna(cell["value"]):
            rows += _shown(shared, tested, cell)
        rows += _others(shared, of_cell, tested)
    return Measured(tuple(rows), tuple(absent))


def _cell_key(key: object) -> tuple[str, ...]:
    assert isinstance(key, tuple)
    return tuple(map(str, key))


def _table_key(row: pd.Series) -> tuple[str, ...]:
    """Return what names a cell in comparisons, whose variant holds the ablation too."""
    variant = ".".join(str(part) for part in (row["variant"], row.get("ablation", "")) if part)
    return (str(row["column"]), str(row["method"]), variant, str(row["encoder"]))


def _shared(scores: pd.DataFrame) -> dict[str, Any]:
    """Return the columns that all rows of a cell share."""
    first = scores.iloc[0]
    code = code_version()
    changed = "+changes" if code.n_changed else ""
    return {
        **{name: first[name] for name in _SHARED},
        "fold": "+".join(str(fold) for fold in sorted(set(scores["fold"]))),
        "n_seeds": scores["seed"].nunique(),
        "contamination": " ".join(" and ".join(sorted(set(scores["contamination"]))).split()),
        "source": SOURCE,
        "source_version": f"{__version__} {code.commit[:12]}{changed}" if code.commit else __version__,
        "certainty": "measured",
        "spec_sha256s": " ".join(sorted(set(scores["spec_sha256"]))),
    }


def _shown(shared: dict[str, Any], cases: pd.DataFrame, cell: pd.Series) -> Iterator[LeaderboardRow]:
    """Yield the value of a cell that its table shows, and what it has more than scratch."""
    of = {name: cases.iloc[0][name] for name in ("metric", "space")}
    counts = {"n_cases": cell["n_cases"], "n_patients": cell["n_patients"]}
    yield _row(shared | of | counts, cell["value"], cell["low"], cell["high"])
    gain = {"statistic": "gain", "baseline": RANDOM.name}
    if shared["method"] != RANDOM.name and not pd.isna(cell["scratch_difference"]):
        yield _row(shared | of | counts | gain, cell["scratch_difference"], cell["scratch_low"], cell["scratch_high"])


def _others(shared: dict[str, Any], scores: pd.DataFrame, cases: pd.DataFrame | None) -> Iterator[LeaderboardRow]:
    """Yield every metric and space that the table does not show; an interval only where one run is behind it."""
    shown = set() if cases is None else {(cases.iloc[0]["metric"], cases.iloc[0]["space"])}
    for (name, space), runs in scores.groupby(["metric", "space"], sort=False):
        base, _, item = str(name).partition(":")
        unit = metric(base)
        if (name, space) in shown or unit is None:
            continue
        n_cases = runs.groupby("fold")["n_cases"].max().sum()
        weights = runs["n_cases"].astype(float).clip(lower=1)
        value = float((runs["value"] * weights).sum() / weights.sum()) * unit.scale
        bounds = runs.iloc[0][["low", "high"]] * unit.scale if len(runs) == 1 else {"low": None, "high": None}
        of = {"metric": base, "item": item or "all", "space": space, "n_cases": n_cases or None}
        yield _row(shared | of, value, bounds["low"], bounds["high"])


def _row(columns: dict[str, Any], value: Any, low: Any, high: Any) -> LeaderboardRow:
    bounds = {} if pd.isna(low) else {"low": low, "high": high, "interval": CASE_INTERVAL}
    return LeaderboardRow.model_validate({**columns, "value": value, **bounds})
