"""Scores over shares of the labels: a panel for each task, a curve for each row, published values beside them."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from voxelbench import paths
from voxelbench.config import Column, table_config, task_card
from voxelbench.evaluate.summary import HEADLINE
from voxelbench.figure_inputs import figure_data
from voxelbench.recipes import recipe_name
from voxelbench.report.figures import style
from voxelbench.report.figures.request import Request
from voxelbench.report.figures.tables import empty_reason, read_table
from voxelbench.runs import Protocol

_FIELDS = (
    *("dataset", "task", "metric", "source", "method", "variant", "encoder", "percent", "value", "low", "high"),
    "reason",
)
_HERE = "this table"
_DODGE = 0.018
"""Between neighbouring curves, as a share of a factor of ten: whiskers do not cover each other."""


def numbers(request: Request) -> pd.DataFrame:
    """Return one row a row and column of the table, and on real data one a published value of the same methods."""
    table = table_config(request.settings.table)
    rows = read_table(paths.table(request.budget, request.settings.table))
    points = [_point(row, column, table.protocol) for column in table.columns for _, row in rows.iterrows()]
    measured = pd.DataFrame(points, columns=list(_FIELDS))
    # A published value beside one on synthetic twins would be read as a comparison.
    is_real = figure_data(request.settings, request.budget) == "real"
    return pd.concat([measured, *([_published(measured)] if is_real else [])], ignore_index=True)


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw a panel for each task of a dataset, side by side, over a logarithmic axis of shares."""
    panels = [part for _, part in numbers.groupby(["dataset", "task"], sort=False)]
    looks = style.looks(style.systems(numbers[numbers["source"] == _HERE]))
    width = min(style.PAGE_WIDTH, 1.6 + 3.2 * len(panels))
    figure = Figure((width, 3.4), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw_panel(axes, panel, looks)
    handles = style.legend_handles(looks.values())
    if set(numbers["source"]) != {_HERE}:
        handles.append(Line2D([], [], color=style.INK, marker="o", mfc="none", linestyle="", label="published"))
    if numbers["value"].isna().any():
        handles.append(Line2D([], [], color=style.INK, marker="x", linestyle="", label="no value"))
    style.add_legend(figure, handles)
    return figure


def _point(row: pd.Series, column: Column, protocol: Protocol) -> dict[str, object]:
    name = column.name
    return {
        **{"dataset": column.dataset, "task": column.task, "source": _HERE},
        "metric": HEADLINE[recipe_name(task_card(column.dataset, column.task).kind, protocol)],
        **{key: row[key] for key in ("method", "variant", "encoder")},
        **{
            "percent": 100 * column.fraction,
            "value": row[name],
            "low": row[f"{name}_low"],
            "high": row[f"{name}_high"],
        },
        "reason": empty_reason(row, name) if np.isnan(row[name]) else "",
    }


def _published(measured: pd.DataFrame) -> pd.DataFrame:
    """Return what publications state of the methods, tasks and shares that are measured here; each has its source."""
    path = paths.published_leaderboard()
    if not path.is_file():
        return pd.DataFrame(columns=list(_FIELDS))
    stated = pd.read_csv(path, dtype={"variant": str, "encoder": str}).assign(
        percent=lambda rows: 100 * rows["fraction"], reason=""
    )
    stated = stated[(stated["item"] == "all") & (stated["statistic"] == "mean")]
    keys = ["dataset", "task", "metric", "method", "percent"]
    stated = stated.merge(measured[keys].drop_duplicates(), on=keys)
    return stated[list(_FIELDS)].fillna({"variant": "", "encoder": ""})


def _draw_panel(axes: Axes, panel: pd.DataFrame, looks: dict[style.System, style.Look]) -> None:
    axes.set_xscale("log")
    measured = panel[panel["source"] == _HERE]
    for place, (system, look) in enumerate(looks.items()):
        shift = 10 ** (_DODGE * (place - (len(looks) - 1) / 2))
        _draw_curve(axes, style.system_rows(measured, system), look, shift)
        stated = panel[(panel["source"] != _HERE) & (panel["method"] == system.method)]
        axes.plot(stated["percent"] * shift, stated["value"], look.marker, color=look.colour, mfc="none", ms=6)
    shares = sorted(set(measured["percent"]))
    axes.set_xticks(shares, [f"{share:g}" for share in shares])
    axes.minorticks_off()
    axes.set_xlim(min(shares) / 1.25, max(shares) * 1.25)
    axes.set_xlabel("training patients with labels, %")
    axes.set_ylabel(f"{panel['metric'].iloc[0].replace('_', ' ')} x 100")
    axes.set_title(panel["dataset"].iloc[0], loc="left")
    axes.grid(axis="y")


def _draw_curve(axes: Axes, points: pd.DataFrame, look: style.Look, shift: float) -> None:
    """Draw the points of one row with whiskers and the line between them; a cross on the axis where one is missing."""
    points = points.sort_values("percent")
    known, missing = points.dropna(subset="value"), points[points["value"].isna()]
    bounds = np.clip([known["value"] - known["low"], known["high"] - known["value"]], 0, None)
    axes.errorbar(
        known["percent"] * shift,
        known["value"],
        yerr=np.nan_to_num(bounds),
        color=look.colour,
        marker=look.marker,
        linestyle=look.line,
        markersize=4.5,
        linewidth=1.4,
        elinewidth=0.9,
        capsize=2,
        label=look.label,
    )
    for percent in missing["percent"]:
        axes.plot(percent * shift, 0, "x", color=look.colour, transform=axes.get_xaxis_transform(), clip_on=False)
