"""A row of a leaderboard, scored again from its cases: every reason why it is not what they give."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from voxelbench.errors import VoxelbenchError
from voxelbench.leaderboard.cases import SubmittedCase
from voxelbench.leaderboard.file import decimals
from voxelbench.leaderboard.measured import CASE_INTERVAL
from voxelbench.leaderboard.metrics import metric
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.leaderboard.tested import tested_cases
from voxelbench.report.case_matrices import cells
from voxelbench.report.statistics.intervals import mean_interval

_OF_ALL_CASES = ("auc", "balanced_accuracy", "ece", "absent_classes", "average")
"""Metrics that are no mean over cases, so that their values per case do not give them."""

_HALF_A_CENT = 0.005 + 1e-9
"""How far a number may be from another that is printed with two decimals."""


def refusals(row: LeaderboardRow, cases: Sequence[SubmittedCase]) -> list[str]:
    """Return every reason why a row cannot be believed, each a clause; `cases` are those of the whole submission."""
    unfit = _unfit(row)
    if unfit:
        return unfit
    behind = [case for case in cases if case.is_behind(row)]
    if not behind:
        return [_why_none(row, cases)]
    wrong = [*_wrong_cases(row, behind)]
    return wrong or [*_wrong_numbers(row, rescored(row, behind))]


def rescored(row: LeaderboardRow, cases: Sequence[SubmittedCase]) -> LeaderboardRow:
    """Return a row with the numbers that its cases give, all of them present under every seed."""
    ((_, cell),) = cells(pd.DataFrame([dict(case) for case in cases])).items()
    unit = metric(row.metric)
    assert unit is not None, "the names of a row are checked first"
    patients = cell.scores.index.get_level_values("patient_id").to_numpy()
    interval = [number * unit.scale / 100 for number in mean_interval(cell.scores.to_numpy(), patients)]
    value, low, high = (None if np.isnan(number) else round(number, 2) for number in interval)
    n_cases, n_seeds = cell.scores.shape
    numbers = {"value": value, "low": low, "high": high, "interval": "" if low is None else CASE_INTERVAL}
    counts = {"n_cases": n_cases, "n_patients": len(set(patients)), "n_seeds": n_seeds}
    return row.model_copy(update={**numbers, **counts, "certainty": "rescored"})


def _unfit(row: LeaderboardRow) -> list[str]:
    found = []
    if row.data != "real":
        found.append("its data are synthetic twins, which rank nothing")
    if row.certainty not in ("measured", "rescored"):
        found.append(f"its certainty is '{row.certainty}', expected measured")
    if row.statistic != "mean" or row.item != "all" or row.metric in _OF_ALL_CASES:
        found.append("it is no mean over cases, so they cannot give it; leave it out")
    if not row.fold:
        found.append("it names no fold")
    return found


def _why_none(row: LeaderboardRow, cases: Sequence[SubmittedCase]) -> str:
    """Return in what the cases that come nearest to a row differ from it."""
    near = [case for case in cases if (case.method, case.dataset, case.metric) == (row.method, row.dataset, row.metric)]
    if not near:
        return f"no case has {row.metric} of {row.method} on {row.dataset}"
    nearest = min(near, key=lambda case: len(case.contradicts(row)))
    said = [f"{name} {getattr(nearest, name)}, the row {getattr(row, name)}" for name in nearest.contradicts(row)]
    return f"no case is behind it: they say {'; '.join(said) or f'fold {nearest.fold}, the row {row.fold}'}"


def _wrong_cases(row: LeaderboardRow, cases: Sequence[SubmittedCase]) -> Iterator[str]:
    by_run: dict[tuple[int, int], list[SubmittedCase]] = defaultdict(list)
    for case in cases:
        by_run[case.fold, case.seed].append(case)
    seeds = {seed for _, seed in by_run}
    for fold in (int(fold) for fold in row.fold.split("+")):
        try:
            tested = tested_cases(row.dataset, row.split, fold)
        except VoxelbenchError as error:
            yield str(error).rstrip(".")
            continue
        for seed in sorted(seeds):
            yield from (f"fold {fold}, seed {seed}: {said}" for said in _wrong_run(by_run[fold, seed], tested))
    yield from _wrong_values(row, cases)


def _wrong_run(cases: Sequence[SubmittedCase], tested: dict[str, str]) -> Iterator[str]:
    """Yield in what the cases of one run are not the test part, each of them once."""
    counted = Counter(case.case_id for case in cases)
    for case_id in sorted(case_id for case_id, n in counted.items() if n > 1):
        yield f"case {case_id} is there {counted[case_id]} times"
    for case_id in sorted(tested.keys() - counted.keys()):
        yield f"test case {case_id} is missing"
    for case_id in sorted(counted.keys() - tested.keys()):
        yield f"case {case_id} is not in the test part"
    for case in cases:
        if tested.get(case.case_id, case.patient_id) != case.patient_id:
            yield f"case {case.case_id} is of patient {tested[case.case_id]}, not {case.patient_id}"


def _wrong_values(row: LeaderboardRow, cases: Sequence[SubmittedCase]) -> Iterator[str]:
    unit = metric(row.metric)
    assert unit is not None, "the names of a row are checked first"
    for case in cases:
        if not unit.low <= case.value * unit.scale <= unit.high:
            yield f"case {case.case_id} has {row.metric} {case.value:g}, which cannot be"


def _wrong_numbers(row: LeaderboardRow, ours: LeaderboardRow) -> Iterator[str]:
    for name in ("value", "low", "high"):
        said, found = getattr(row, name), getattr(ours, name)
        if (said is None) != (found is None) or (said is not None and abs(said - found) > _HALF_A_CENT):
            yield f"{name} is {decimals(said) or 'empty'}, its cases give {decimals(found) or 'none'}"
    for name in ("interval", "n_cases", "n_patients", "n_seeds"):
        if getattr(row, name) != getattr(ours, name):
            yield f"{name} is '{getattr(row, name)}', its cases give '{getattr(ours, name)}'"
