"""Cells of a table, times 100: a value with the bounds of its interval and what it is over, by suffix of the column."""

import numpy as np
import pandas as pd

from voxelbench.evaluate.controls import SHUFFLED
from voxelbench.report.statistics.intervals import seed_interval

Cell = dict[str, float]

GROUP = "_group"
"""Suffix of the tie group: 1 holds the best, and what is not separable from it."""

GAIN = "_gain"
"""Suffix of what pretraining adds to the random encoder."""


def compared_cell(compared: pd.DataFrame) -> Cell:
    """Return a cell as statistics have it (a row of `comparisons.csv`, or none): mean, interval, cases, tie group."""
    if compared.empty:
        return _cell() | {GROUP: float("nan")}
    row = compared.iloc[0]
    return _cell(row["value"], row["low"], row["high"], row["n_cases"]) | {GROUP: row["group"]}


def seed_cell(cases: pd.DataFrame, random: pd.DataFrame) -> Cell:
    """Return the mean over seeds, its interval over seeds and the number of cases; and the gain, of which n is seeds.

    The gain is paired: what a run has more than the random encoder of its seed, which is what its method started from.
    `random` are that encoder's cases; none where there is nothing to compare with.
    """
    if cases.empty:
        return _cell() | _cell(suffix=GAIN)
    values = 100 * cases.groupby("seed")["value"].mean()
    cell = _cell(*seed_interval(values.to_numpy()), len(cases[["fold", "case_id"]].drop_duplicates()))
    if random.empty:
        return cell | _cell(suffix=GAIN)
    gains = values - 100 * random.groupby("seed")["value"].mean()
    return cell | _cell(*seed_interval(gains.to_numpy()), len(gains), suffix=GAIN)


def caveats(cell: Cell) -> list[str]:
    """Return what a reader of a probe's cell with a value has to know: why it has no interval, if so."""
    if np.isnan(cell[""]) or not np.isnan(cell["_low"]):
        return []
    return ["one seed, so no interval"]


def leaks(cell: Cell, variant: str, n_classes: int) -> list[str]:
    """Return a warning where a classifier that learned shuffled labels beats a guess, interval and all."""
    chance = 100 / max(n_classes, 1)
    if variant != SHUFFLED or not n_classes or not cell["_low"] > chance:
        return []
    return [f"shuffled labels score above a guess, {chance:.1f}: the split leaks, or its classes are not balanced"]


def _cell(
    value: float = float("nan"), low: float = float("nan"), high: float = float("nan"), n: int = 0, suffix: str = ""
) -> Cell:
    return {suffix: value, f"{suffix}_low": low, f"{suffix}_high": high, f"{suffix}_n": n}
