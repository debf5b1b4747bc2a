"""A table as bars: a panel for each column, a bar for each row, with interval, value, and a star for the best."""

import math
import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voxelbench import paths
from voxelbench.config import Column, Table, table_config, task_card
from voxelbench.evaluate.summary import HEADLINE
from voxelbench.recipes import recipe_name
from voxelbench.report.cells import GAIN
from voxelbench.report.figures import style
from voxelbench.report.figures.request import Request
from voxelbench.report.figures.tables import empty_reason, read_table
from voxelbench.runs import RANDOM, TOKEN_PROBE

STAR = "★"
AVERAGE = "average"
_FIELDS = (
    "method",
    "variant",
    "encoder",
    "panel",
    "quantity",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "group",
    "reason",
)
_MOST_COLUMNS = 4
_BAR_INCHES, _PANEL_INCHES = 0.185, 0.5
_CHANCE = {"token_auc": 50.0}
_REASON_LETTERS = 24
_FIGURE_SPACE = "\u2007"
"""A space as wide as a figure."""


def numbers(request: Request) -> pd.DataFrame:
    """Return one row a bar: of each column its scores, of probes its gains too, and the average if the table has one.

    A bar that is missing has no value and its `reason`.
    """
    table = table_config(request.settings.table)
    rows = read_table(paths.table(request.budget, request.settings.table))
    panels = [(column.name, _metric(column, table), "score", column.name) for column in table.columns]
    if table.protocol == TOKEN_PROBE:
        panels += [(column.name, _metric(column, table), "gain", f"{column.name}{GAIN}") for column in table.columns]
    if table.average:
        panels.append((AVERAGE, AVERAGE, AVERAGE, AVERAGE))
    return pd.DataFrame([_bar(row, *panel) for panel in panels for _, row in rows.iterrows()], columns=list(_FIELDS))


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw the panels, four in a row at most, each with the same methods from top to bottom."""
    panels = [part for _, part in numbers.groupby(["quantity", "panel"], sort=False)]
    looks = style.looks(style.systems(numbers))
    n_columns = min(len(panels), _MOST_COLUMNS)
    n_rows = math.ceil(len(panels) / n_columns)
    width = style.PAGE_WIDTH if n_columns > 2 else 2.2 + 2.5 * n_columns
    figure = Figure((width, n_rows * (_BAR_INCHES * len(looks) + _PANEL_INCHES)), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, panel, looks)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    return figure


def _metric(column: Column, table: Table) -> str:
    return HEADLINE[recipe_name(task_card(column.dataset, column.task).kind, table.protocol)]


def _bar(row: pd.Series, panel: str, metric: str, quantity: str, name: str) -> dict[str, object]:
    value = row[name]
    return {
        **{key: row[key] for key in ("method", "variant", "encoder")},
        **{"panel": panel, "quantity": quantity, "metric": metric, "value": value},
        **{key: row.get(f"{name}_{key}", np.nan) for key in ("low", "high", "n", "group")},
        "reason": (empty_reason(row, panel) or _why_empty(row, quantity)) if np.isnan(value) else "",
    }


def _why_empty(row: pd.Series, quantity: str) -> str:
    """Return why a cell is empty of which the notes say nothing."""
    if quantity == AVERAGE:
        return "a column is empty"
    is_random = (row["method"], row["variant"]) == (RANDOM.name, RANDOM.variant)
    return "the random start" if quantity == "gain" and is_random else "no value"


def _draw_panel(axes: Axes, panel: pd.DataFrame, looks: dict[style.System, style.Look]) -> None:
    quantity, metric = panel["quantity"].iloc[0], panel["metric"].iloc[0]
    base = _CHANCE.get(metric, 0.0) if quantity == "score" else 0.0
    stars = (panel["group"] == 1) & (not _all_tie(panel))
    for place, (system, look) in enumerate(looks.items()):
        bar = style.system_rows(panel.assign(has_star=stars), system).iloc[0]
        _draw_bar(axes, place, bar, look, base)
    axes.set_yticks(range(len(looks)), [look.label for look in looks.values()])
    axes.set_ylim(len(looks) - 0.4, -0.6)  # the first row on top
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    if quantity == "gain":
        axes.axvline(0, color=style.INK, lw=0.8)
        axes.margins(x=0.08)
    else:
        axes.set_xlim(base, float(np.nanmax([100.0, *panel["value"], *panel["high"]])))
    axes.set_title(_panel_title(panel, quantity, metric), loc="left")


def _panel_title(panel: pd.DataFrame, quantity: str, metric: str) -> str:
    name = panel["panel"].iloc[0]
    if quantity == AVERAGE:
        return AVERAGE
    said = "gain over random" if quantity == "gain" else metric.replace("_", " ")
    return f"{name}: {said}{', all tie' if _all_tie(panel) else ''}"


def _all_tie(panel: pd.DataFrame) -> bool:
    return len(panel) > 1 and bool((panel["group"] == 1).all())


def _draw_bar(axes: Axes, place: int, bar: pd.Series, look: style.Look, base: float) -> None:
    """Draw one bar from `base` with its whisker, and its value at the right; without a value, the reason."""
    if np.isnan(bar["value"]):
        reason = textwrap.shorten(bar["reason"], _REASON_LETTERS, placeholder=" …")
        axes.annotate(
            reason,
            (0, place),
            (3, 0),
            ("axes fraction", "data"),
            "offset points",
            size=6.5,
            style="italic",
            color=style.FAINT,
            va="center",
        )
        return
    axes.barh(
        place,
        bar["value"] - base,
        left=base,
        height=0.72,
        color=look.colour,
        hatch=look.hatch,
        edgecolor="white",
        linewidth=0,
        label=look.label,
    )
    if not np.isnan(bar["low"]):
        bounds = np.clip([[bar["value"] - bar["low"]], [bar["high"] - bar["value"]]], 0, None)
        axes.errorbar(bar["value"], place, xerr=bounds, color=style.INK, elinewidth=0.9, capsize=1.6, capthick=0.9)
    text = f"{bar['value']:.1f}".rjust(4, _FIGURE_SPACE) + (f" {STAR}" if bar["has_star"] else "")
    axes.annotate(text, (1, place), (4, 0), ("axes fraction", "data"), "offset points", size=7, va="center")
