"""Figures of tables."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from voxelbench import paths
from voxelbench.config import Table, table_budget, table_config, task_card
from voxelbench.report.cells import GAIN
from voxelbench.runs import TOKEN_PROBE


def draw_table(name: str, budget: str | None) -> None:
    """Draw a table as bars, a group for each column, a colour for each method, with 95 % intervals."""
    budget = table_budget(name, budget)
    table = table_config(name)
    rows = pd.read_csv(paths.table(budget, name), keep_default_na=True)
    rows["variant"] = rows["variant"].fillna("")
    is_probe = table.protocol == TOKEN_PROBE
    width = max(6.0, 1.1 * len(table.columns) + 1.5)
    figure, panels = plt.subplots(1, 1 + is_probe, figsize=(width, 4.2), layout="constrained", squeeze=False)
    draw = _draw_probe if is_probe else _draw_scores
    draw(panels[0], rows, table)
    data = "+".join(sorted(set(rows["data"])))
    interval = "Student's t over seeds" if is_probe else "bootstrap over patients"
    figure.suptitle(f"{table.title}\nbudget {budget}, data {data}; bars: 95 % {interval}", fontsize=9)
    n_legend_columns = 4 if rows["encoder"].nunique() == 1 else 2  # names of encoders are long
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), fontsize=8, ncols=n_legend_columns, loc="outside lower center"
    )
    path = paths.figure(budget, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Software and date would make equal figures differ.
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)


def _draw_scores(panels: np.ndarray, rows: pd.DataFrame, table: Table) -> None:
    _draw_bars(panels[0], rows, table)
    panels[0].set_ylabel("Dice, accuracy or SSIM, x 100")
    panels[0].set_ylim(0, 100)


def _draw_probe(panels: np.ndarray, rows: pd.DataFrame, table: Table) -> None:
    """Draw scores from chance upwards and, beside them, what is gained over the random encoder of the same seed."""
    scores, gains = panels
    _draw_bars(scores, rows, table)
    scores.set_ylabel("AUC of organs from frozen tokens, x 100")
    scores.set_ylim(50, 102)
    _draw_bars(gains, rows, table, GAIN)
    gains.axhline(0, color="black", lw=0.8)
    gains.set_ylabel("gain over random, seed by seed")


def _draw_bars(axes: Axes, rows: pd.DataFrame, table: Table, suffix: str = "") -> None:
    columns = [f"{column.name}{suffix}" for column in table.columns]
    labels = [f"{column.name}\n{task_card(column.dataset, column.task).kind}" for column in table.columns]
    axes.set_xticks(np.arange(len(labels)), labels, fontsize=7, rotation=30, ha="right")
    axes.set_xlim(-0.5, len(labels) - 0.5)  # of all rows, though some have no bar
    axes.spines[["top", "right"]].set_visible(False)
    width = 0.8 / len(rows)
    for index, (_, row) in enumerate(rows.iterrows()):
        centres = np.arange(len(columns)) + (index - (len(rows) - 1) / 2) * width
        values = row[columns].to_numpy(float)
        bounds = np.stack([values - _bound(row, columns, "low"), _bound(row, columns, "high") - values]).clip(min=0)
        label = ".".join(part for part in (row["method"], row["variant"]) if part)
        label += f" in {row['encoder']}" if rows["encoder"].nunique() > 1 else ""
        axes.bar(
            centres, values, width * 0.92, yerr=np.nan_to_num(bounds), capsize=2, label=label, error_kw={"lw": 0.8}
        )


def _bound(row: pd.Series, columns: list[str], side: str) -> np.ndarray:
    return row[[f"{column}_{side}" for column in columns]].to_numpy(float)
