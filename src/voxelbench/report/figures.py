"""Figures of tables."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (the backend has to be chosen first)
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from voxelbench import config, paths  # noqa: E402


def draw_table(name: str, budget: str | None) -> None:
    """Draw a table as bars, a group for each column, a colour for each method, with 95 % intervals."""
    budget = budget or config.read_config().budget
    table = pd.read_csv(paths.table(budget, name), keep_default_na=True)
    table["variant"] = table["variant"].fillna("")
    columns = [column.name for column in config.table_config(name).columns]
    figure, axes = plt.subplots(figsize=(max(5.0, 1.1 * len(columns) + 1.5), 4.2), layout="constrained")
    width = 0.8 / len(table)
    for index, row in table.iterrows():
        centres = np.arange(len(columns)) + (index - (len(table) - 1) / 2) * width
        values = row[columns].to_numpy(float)
        bounds = np.stack([values - _bound(row, columns, "low"), _bound(row, columns, "high") - values]).clip(min=0)
        label = ".".join(part for part in (row["method"], row["variant"]) if part)
        axes.bar(centres, values, width * 0.92, yerr=np.nan_to_num(bounds), capsize=2, label=label, error_kw={"lw": 0.8})
    kinds = {column.name: config.task_card(column.dataset, column.task).kind for column in config.table_config(name).columns}
    axes.set_xticks(np.arange(len(columns)), [f"{column}\n{kinds[column]}" for column in columns], fontsize=7, rotation=30, ha="right")
    axes.set_ylabel("Dice, accuracy or SSIM, x 100")
    axes.set_ylim(0, 100)
    data = "+".join(sorted(set(table["data"])))
    axes.set_title(f"{config.table_config(name).title}\nbudget {budget}, data {data}; bars: 95 % bootstrap over patients", fontsize=9)
    axes.legend(fontsize=8, ncols=3, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    path = paths.figure(budget, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Software and date would make equal figures differ.
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)


def _bound(row: pd.Series, columns: list[str], side: str) -> np.ndarray:
    return row[[f"{column}_{side}" for column in columns]].to_numpy(float)
