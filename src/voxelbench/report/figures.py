"""Figures of tables."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from voxelbench import paths
from voxelbench.config import read_config, table_config, task_card


def draw_table(name: str, budget: str | None) -> None:
    """Draw a table as bars, a group for each column, a colour for each method, with 95 % intervals."""
    budget = budget or read_config().budget
    table = table_config(name)
    rows = pd.read_csv(paths.table(budget, name), keep_default_na=True)
    rows["variant"] = rows["variant"].fillna("")
    figure, axes = plt.subplots(figsize=(max(5.0, 1.1 * len(table.columns) + 1.5), 4.2), layout="constrained")
    _draw_bars(axes, rows, [column.name for column in table.columns])
    labels = [f"{column.name}\n{task_card(column.dataset, column.task).kind}" for column in table.columns]
    axes.set_xticks(np.arange(len(labels)), labels, fontsize=7, rotation=30, ha="right")
    axes.set_ylabel("Dice, accuracy or SSIM, x 100")
    axes.set_ylim(0, 100)
    data = "+".join(sorted(set(rows["data"])))
    axes.set_title(f"{table.title}\nbudget {budget}, data {data}; bars: 95 % bootstrap over patients", fontsize=9)
    axes.legend(fontsize=8, ncols=3, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    path = paths.figure(budget, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Software and date would make equal figures differ.
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)


def _draw_bars(axes: Axes, rows: pd.DataFrame, columns: list[str]) -> None:
    width = 0.8 / len(rows)
    for index, (_, row) in enumerate(rows.iterrows()):
        centres = np.arange(len(columns)) + (index - (len(rows) - 1) / 2) * width
        values = row[columns].to_numpy(float)
        bounds = np.stack([values - _bound(row, columns, "low"), _bound(row, columns, "high") - values]).clip(min=0)
        label = ".".join(part for part in (row["method"], row["variant"]) if part)
        axes.bar(
            centres, values, width * 0.92, yerr=np.nan_to_num(bounds), capsize=2, label=label, error_kw={"lw": 0.8}
        )


def _bound(row: pd.Series, columns: list[str], side: str) -> np.ndarray:
    return row[[f"{column}_{side}" for column in columns]].to_numpy(float)
