"""`ranks.csv`: the mean ranks of systems over the datasets of a table, and which of them differ."""

import numpy as np
import pandas as pd

from voxelbench.report.case_matrices import System
from voxelbench.report.statistics.friedman import ranking
from voxelbench.report.table_view import NOTE_SEPARATOR

COLUMNS = (
    *("budget", "data", "method", "variant", "encoder", "mean_rank", "n_datasets", "friedman_p"),
    *("critical_difference", "group", "notes"),
)
_SYSTEM = list(System._fields)


def ranks(cases: pd.DataFrame, compared: pd.DataFrame) -> pd.DataFrame:
    """Return a row a system, the best mean rank first, from the rows of `comparisons`; `cases` name the datasets.

    Columns where not every system has a value are left out. Columns of one dataset, such as shares of its labels, have
    the same patients: they count once, with their mean. Without three systems and two datasets there are no ranks, but
    a reason.
    """
    values = compared.pivot(index="column", columns=_SYSTEM, values="value")
    complete = values.dropna()
    dataset = cases.groupby("column")["dataset"].first().to_dict()
    by_dataset = complete.groupby(complete.index.map(dataset)).mean()
    left_out = sorted(values.index.difference(complete.index))
    notes = [f"{', '.join(left_out)} left out: not every system has a value"] if left_out else []
    notes += _refusals(*by_dataset.shape)
    rows = _refused(values) if _refusals(*by_dataset.shape) else _ranked(by_dataset)
    shared = {name: "+".join(sorted(set(compared[name]))) for name in ("budget", "data")}
    rows = rows.assign(**shared, n_datasets=len(by_dataset), notes=NOTE_SEPARATOR.join(notes))
    return rows[list(COLUMNS)]


def _refusals(n_datasets: int, n_systems: int) -> list[str]:
    found = {"systems": (n_systems, 3), "datasets": (n_datasets, 2)}
    return [
        f"no ranks: they need {needed} {name}, there {'is' if n == 1 else 'are'} {n}"
        for name, (n, needed) in found.items()
        if n < needed
    ]


def _refused(values: pd.DataFrame) -> pd.DataFrame:
    numbers = dict.fromkeys(("mean_rank", "friedman_p", "critical_difference"), np.nan)
    return values.columns.to_frame(index=False).assign(**numbers, group="")


def _ranked(values: pd.DataFrame) -> pd.DataFrame:
    found = ranking(values)
    rows = found.mean_ranks.rename("mean_rank").reset_index()
    return rows.assign(
        friedman_p=found.p, critical_difference=found.critical_difference, group=found.letters.to_numpy()
    )
