"""The scores of test cases as matrices: for each system of a column, cases by seeds, times 100."""

from typing import NamedTuple

import pandas as pd

from voxelbench.errors import DataError
from voxelbench.report.statistics.paired import PATIENT
from voxelbench.runs import RANDOM

_SYSTEM = ["method", "variant", "ablation", "encoder"]
_CASE = [PATIENT, "fold", "case_id"]
_KEY = ["column", *_SYSTEM, "fold", "seed", "case_id"]


class System(NamedTuple):
    """A row of a table; `variant` holds the ablation too."""

    method: str
    variant: str
    encoder: str

    @property
    def scratch(self) -> "System":
        """The random start of its encoder."""
        return System(RANDOM.name, RANDOM.variant, self.encoder)


class Cell(NamedTuple):
    """A table cell: one system on one column."""

    scores: pd.DataFrame
    """Values times 100 of the cases with one (index: patient_id, fold, case_id) under each seed (columns), no NaN."""

    n_missing: int
    """Values that cases lack under some seed; the mean of the case over its other seeds stands in for them."""


def check_case_scores(cases: pd.DataFrame) -> None:
    """Raise DataError if a score is there twice, a case has two patients, or a column two metrics."""
    twice = cases[cases.duplicated(_KEY)]
    if len(twice):
        named = ", ".join(f"{name} {twice.iloc[0][name]}" for name in _KEY if twice.iloc[0][name] != "")
        raise DataError(
            f"scores of cases: {len(twice)} rows are there twice, the first is {named}; collect them again with "
            "`voxelbench scores`."
        )
    _check_single(cases, ["column"], "metric")
    _check_single(cases, ["column", "fold", "case_id"], PATIENT)


def _check_single(cases: pd.DataFrame, key: list[str], name: str) -> None:
    found = cases.drop_duplicates([*key, name])
    several = found[found.duplicated(key, keep=False)]
    if len(several):
        first, second, *_ = several.sort_values([*key, name]).to_dict("records")
        where = ", ".join(f"{part} {first[part]}" for part in key)
        raise DataError(
            f"scores of cases: {where} has {name} {first[name]} and {second[name]}, expected one; collect them again "
            "with `voxelbench scores`."
        )


def cells(cases: pd.DataFrame) -> dict[System, Cell]:
    """Return the cells of one column, by system in the order of the alphabet."""
    variant = (cases["variant"] + "." + cases["ablation"]).str.strip(".")
    by_system = cases.assign(variant=variant).groupby(list(System._fields), sort=True)
    return {System(*map(str, key)): _cell(rows) for key, rows in by_system}


def _cell(rows: pd.DataFrame) -> Cell:
    values = 100 * rows.pivot(index=_CASE, columns="seed", values="value").dropna(how="all")
    filled = values.apply(lambda seed: seed.fillna(values.mean(axis=1)))
    return Cell(filled, int(values.isna().sum().sum()))
