"""`comparisons.csv`: for each table cell its interval, its difference from scratch and from the best, and its group."""

import numpy as np
import pandas as pd

from voxelbench.report.case_matrices import Cell, System, cells, check_case_scores
from voxelbench.report.comparison_notes import Compared, notes
from voxelbench.report.statistics.groups import Pairs, by_mean, compare_pairs, tie_groups
from voxelbench.report.statistics.intervals import mean_interval
from voxelbench.report.statistics.paired import PATIENT, difference, holm
from voxelbench.report.statistics.power import SMALL, detectable

COLUMNS = (
    *("budget", "data", "column", "metric", "method", "variant", "encoder", "n_cases", "n_patients", "n_seeds"),
    *("value", "low", "high", "scratch_difference", "scratch_low", "scratch_high", "scratch_p", "scratch_p_holm"),
    *("best_difference", "best_low", "best_high", "best_p", "best_p_holm", "group", "is_small", "detectable", "notes"),
)

Scored = dict[System, pd.DataFrame]
"""The scores of the systems of one column that have some."""


def comparisons(cases: pd.DataFrame) -> pd.DataFrame:
    """Return a row a table cell, from the unscaled scores of cases (columns of `cases.csv`); values are times 100.

    Higher scores are better: so they are of every headline metric. Raises DataError if a score is there twice.
    """
    cases = cases.fillna({"variant": "", "ablation": ""})
    check_case_scores(cases)
    rows = [row for _, column in cases.groupby("column", sort=True) for row in _column_rows(column)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"group": "Int64"})


def _column_rows(cases: pd.DataFrame) -> list[dict[str, object]]:
    by_system = cells(cases)
    scored = {system: cell.scores for system, cell in by_system.items() if not cell.scores.empty}
    pairs = compare_pairs(list(scored.values()))
    groups = dict(zip(scored, tie_groups(list(scored.values()), pairs), strict=True))
    from_scratch, from_best = _from_scratch(scored), _from_best(scored, pairs)
    n_cases = len(cases[["fold", "case_id"]].drop_duplicates())
    shared = {name: "+".join(sorted(set(cases[name]))) for name in ("budget", "data", "column", "metric")}
    return [
        {
            **shared,
            **system._asdict(),
            **_cell_columns(cell),
            **_difference_columns("scratch", from_scratch.get(system)),
            **_difference_columns("best", from_best.get(system)),
            "group": groups.get(system),
            "detectable": _detectable(from_scratch.get(system)),
            "notes": notes(system, cell, n_cases, from_scratch.get(system), from_best.get(system)),
        }
        for system, cell in by_system.items()
    ]


def _from_scratch(scored: Scored) -> dict[System, Compared]:
    """Compare each system with the random start of its encoder, where that is another one, as one family."""
    found = {
        system: difference(scores, scored[system.scratch])
        for system, scores in scored.items()
        if system != system.scratch and system.scratch in scored
    }
    adjusted = holm(np.array([each.test.p for each in found.values()]))
    n_tests = int(np.count_nonzero(~np.isnan(adjusted)))
    return {system: Compared(each, p, n_tests) for (system, each), p in zip(found.items(), adjusted, strict=True)}


def _from_best(scored: Scored, pairs: Pairs) -> dict[System, Compared]:
    """Compare each system with the best one; the family is that of all pairs."""
    if not scored:
        return {}
    systems = list(scored)
    lead = by_mean(list(scored.values()))[0]
    return {
        system: Compared(difference(scored[system], scored[systems[lead]]), pairs.p_holm[lead, place], pairs.n_tests)
        for place, system in enumerate(systems)
        if place != lead
    }


def _cell_columns(cell: Cell) -> dict[str, object]:
    n_cases, n_seeds = cell.scores.shape
    patients = cell.scores.index.get_level_values(PATIENT).to_numpy()
    n_patients = len(set(patients))
    interval = mean_interval(cell.scores.to_numpy(), patients)._asdict() if n_cases else {}
    counts = {"n_cases": n_cases, "n_patients": n_patients, "n_seeds": n_seeds, "is_small": n_patients < SMALL}
    return {**counts, **interval}


def _difference_columns(reference: str, compared: Compared | None) -> dict[str, float]:
    if compared is None:
        return {}
    value, low, high = compared.difference.interval
    numbers = {
        "difference": value,
        "low": low,
        "high": high,
        "p": compared.difference.test.p,
        "p_holm": compared.p_holm,
    }
    return {f"{reference}_{name}": number for name, number in numbers.items()}


def _detectable(compared: Compared | None) -> float:
    if compared is None:
        return float("nan")
    return detectable(compared.difference.deviation, compared.difference.n_patients, compared.n_tests)
