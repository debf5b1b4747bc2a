"""Cells of a table, times 100: a value with the bounds of its interval and what it is over, by suffix of the column."""

import numpy as np
import pandas as pd

from voxelbench import paths
from voxelbench.config import task_card
from voxelbench.evaluate.controls import SHUFFLED
from voxelbench.evaluate.rows import read_rows
from voxelbench.evaluate.summary import HEADLINE, case_values, headline_space
from voxelbench.recipes import recipe_name
from voxelbench.report.scores import status
from voxelbench.report.statistics import mean_interval, seed_interval
from voxelbench.runs import TOKEN_PROBE, EvalRun, Protocol

Cell = dict[str, float]

GAIN = "_gain"
"""Suffix of what pretraining adds to the random encoder."""


def reasons(runs: list[EvalRun]) -> list[str]:
    """Return why runs have no scores, each reason once."""
    return list(dict.fromkeys(state.reason for run in runs if (state := status(run)).name != "ok"))


def case_cell(runs: list[EvalRun]) -> Cell:
    """Return the mean over the cases of all folds and seeds, its interval over patients, and the number of cases."""
    if reasons(runs):
        return _cell()
    cases = _case_means(runs)
    # The same case scored under several seeds counts once, with its mean.
    cases = cases.groupby(["fold", "case_id"], as_index=False).agg({"patient_id": "first", "value": "mean"})
    return _cell(*mean_interval(cases["value"].to_numpy(), cases["patient_id"].to_numpy()), len(cases))


def seed_cell(runs: list[EvalRun], random: list[EvalRun]) -> Cell:
    """Return the mean over seeds, its interval over seeds and the number of cases; and the gain, of which n is seeds.

    The gain is paired: what a run has more than the random encoder of its seed, which is what its method started from.
    """
    if reasons(runs):
        return _cell() | _cell(suffix=GAIN)
    cases = _case_means(runs)
    values = cases.groupby("seed")["value"].mean()
    cell = _cell(*seed_interval(values.to_numpy()), len(cases[["fold", "case_id"]].drop_duplicates()))
    if runs == random or reasons(random):
        return cell | _cell(suffix=GAIN)
    gains = values - _case_means(random).groupby("seed")["value"].mean()
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


def _case_means(runs: list[EvalRun]) -> pd.DataFrame:
    """Return one row a run and case: fold, seed, case_id, patient_id and the headline value times 100."""
    tables = []
    for run in runs:
        kind = task_card(run.dataset, run.task).kind
        headline = HEADLINE[recipe_name(kind, run.protocol)]
        rows = read_rows(run.folder() / paths.CASES)
        values = case_values(kind, rows[rows["space"] == headline_space(rows)]).dropna(subset=[headline])
        values = values.assign(value=100 * values[headline], fold=run.fold, seed=run.pretrain.seed)
        tables.append(values.reset_index()[["fold", "seed", "case_id", "patient_id", "value"]])
    return pd.concat(tables)
