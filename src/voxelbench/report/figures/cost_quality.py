"""What a method costs against what it scores: a panel for each measure of cost, and the front that nobody beats."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from voxelbench import paths
from voxelbench.config import table_config
from voxelbench.errors import ConfigError, NothingToDraw, nearest
from voxelbench.figure_settings import CostQuality
from voxelbench.report.cost_summary import ALL
from voxelbench.report.figures import style
from voxelbench.report.figures.request import Request
from voxelbench.report.figures.tables import empty_reason, read_table

AVERAGE = "average"
_MEASURES = {
    "gpu_hours": "GPU hours",
    "hours": "hours",
    "flop": "operations, FLOP",
    "parameters": "parameters",
}
"""Measures of cost, and the labels of their axes."""

_LARGE = ("flop", "parameters")

_FIELDS = ("measure", "cost", "quality", "value", "low", "high", "is_front", "reason")
_IDENTITY = ["method", "variant", "encoder"]


def numbers(request: Request) -> pd.DataFrame:
    """Return one row a measure and row of the table: its cost, its score, and whether it is on the front.

    A measure on which all agree says nothing and is left out.
    """
    assert isinstance(request.settings, CostQuality)
    table, quality = request.settings.table, _quality(request.settings)
    scores = _scores(read_table(paths.table(request.budget, table)), quality)
    spent = read_table(paths.cost_summary(request.budget, table))
    spent = _costs(spent[spent["column"] == (request.settings.column or ALL)])
    long = spent.melt(_IDENTITY, var_name="measure", value_name="cost")
    both = scores.merge(long, on=_IDENTITY).assign(quality=quality)
    panels = [_with_front(part) for _, part in both.groupby("measure", sort=False) if _tells_apart(part)]
    if not panels:
        where = paths.cost_summary(request.budget, table)
        raise NothingToDraw(
            f"{where}: no cost tells the rows of {table} apart, so there is nothing to draw; run the table."
        )
    return pd.concat(panels, ignore_index=True)[[*_IDENTITY, *_FIELDS]]


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw a panel for each measure, side by side."""
    panels = [part for _, part in numbers.groupby("measure", sort=False)]
    looks = style.looks(style.systems(numbers))
    figure = Figure((min(style.PAGE_WIDTH, 1.8 + 2.6 * len(panels)), 3.0), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel, looks)
    grid[0].set_ylabel(f"{numbers['quality'].iloc[0]} x 100")
    scored = set(style.systems(numbers.dropna(subset=["value", "cost"])))
    named = [
        look if system in scored else look._replace(label=f"{look.label} (not drawn: no value)")
        for system, look in looks.items()
    ]
    style.add_legend(figure, style.legend_handles(named, has_lines=False))
    return figure


def _quality(settings: CostQuality) -> str:
    """Return the column of the table whose values are the scores."""
    table, column = table_config(settings.table), settings.column
    names = [each.name for each in table.columns]
    where = f"{paths.config_file()}: table '{settings.table}'"
    if column is not None and column not in names:
        raise ConfigError(f"{where} has no column '{column}'.{nearest(column, names)}")
    if column is None and not table.average:
        raise ConfigError(f"{where} has no average to set against its cost; name a `column` of it in the figure.")
    return column or AVERAGE


def _scores(rows: pd.DataFrame, quality: str) -> pd.DataFrame:
    named = {quality: "value", f"{quality}_low": "low", f"{quality}_high": "high"}
    found = rows.rename(columns=named).reindex(columns=[*_IDENTITY, "value", "low", "high"])
    return found.assign(reason=[empty_reason(row, quality) for _, row in rows.iterrows()])


def _costs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a column a measure; GPU hours where a GPU worked, else hours."""
    hours = "gpu_hours" if (rows["gpu_hours"] > 0).any() else "hours"
    both = {what: rows[f"pretrain_{what}"] + rows[f"evaluate_{what}"] for what in ("hours", "tflop")}
    return rows[_IDENTITY].assign(
        **{hours: rows["gpu_hours"] if hours == "gpu_hours" else both["hours"]},
        flop=1e12 * both["tflop"],
        parameters=rows["n_parameters"],
    )


def _tells_apart(panel: pd.DataFrame) -> bool:
    return panel.dropna(subset="value")["cost"].nunique() > 1


def _with_front(panel: pd.DataFrame) -> pd.DataFrame:
    """Say which rows are on the front: no other one is as cheap and better, or as good and cheaper."""
    cost, value = panel["cost"].to_numpy(float), panel["value"].to_numpy(float)
    no_worse = (cost[None] <= cost[:, None]) & (value[None] >= value[:, None])
    better = (cost[None] < cost[:, None]) | (value[None] > value[:, None])
    known = ~np.isnan(cost) & ~np.isnan(value)
    return panel.assign(is_front=known & ~(no_worse & better).any(axis=1))


def _draw_panel(axes: Axes, panel: pd.DataFrame, looks: dict[style.System, style.Look]) -> None:
    front = panel[panel["is_front"]].sort_values("cost")
    axes.step(front["cost"], front["value"], where="post", color=style.FAINT, lw=1, ls="--", zorder=1, label="front")
    for system, look in looks.items():
        point = style.system_rows(panel, system).iloc[0]
        bounds = np.nan_to_num(np.clip([[point["value"] - point["low"]], [point["high"] - point["value"]]], 0, None))
        axes.errorbar(
            point["cost"],
            point["value"],
            yerr=bounds,
            fmt=look.marker,
            color=look.colour,
            ms=6.5,
            elinewidth=0.9,
            capsize=2,
            label=look.label,
        )
    axes.set_xlim(0, 1.1 * panel["cost"].max())
    axes.margins(y=0.12)
    axes.set_xlabel(_MEASURES[panel["measure"].iloc[0]])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if panel["measure"].iloc[0] in _LARGE:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid()
