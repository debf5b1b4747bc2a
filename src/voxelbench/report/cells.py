"""Cells of a table, times 100: a value with the bounds of its interval and what it is over, by suffix of the column."""

import numpy as np
import pandas as pd

from voxelbench.evaluate.controls import SHUFFLED
from voxelbench.report.statistics.intervals import mean_interval, seed_interval
from voxelbench.runs import TOKEN_PROBE, Protocol

Cell = dict[str, float]

GAIN = "_gain"
"""Suffix of what pretraining adds to the random encoder."""


def case_cell(cases: pd.DataFrame) -> Cell:
    """Return the mean over the cases of all folds and seeds, its interval over patients, and the number of cases."""
    if cases.empty:
        return _cell()
    # The same case scored under several seeds counts once, with its mean.
    cases = cases.groupby(["fold", "case_id"], as_index=False).agg({"patient_id": "first", "value": "mean"})
    return _cell(*mean_interval(100 * cases["value"].to_numpy(), cases["patient_id"].to_numpy()), len(cases))


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


def caveats(cell: Cell, protocol: Protocol) -> list[str]:
    """Return what a reader of a cell with a value has to know: why it has no interval, if so."""
    if np.isnan(cell[""]) or not np.isnan(cell["_low"]):
        return []
    return [f"one {'seed' if protocol == TOKEN_PROBE else 'patient'}, so no interval"]


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
