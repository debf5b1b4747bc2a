"""t-SNE maps of the features of organs, a panel an encoder, with silhouette and purity of the features themselves."""

import math

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from voxelbench import paths
from voxelbench.report.figures import maps, style
from voxelbench.report.figures.analyses import ENCODER, read_analysis
from voxelbench.report.figures.request import Request

_SCORES = ["n_cases", "n_points", "n_organs", "silhouette", "purity", "chance", "neighbours", "reason"]
_MOST_COLUMNS = 3
Colour = tuple[float, float, float, float]
_MARKS = ("o", "s", "^", "D", "v")


def numbers(request: Request) -> pd.DataFrame:
    """Return a row a point of the map, with the scores of its encoder; without points, the reason."""
    scores, points = read_analysis(request, paths.SCORES), read_analysis(request, paths.POINTS)
    return scores[[*ENCODER, "encoder", *_SCORES]].merge(points, "left", ENCODER)


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw a panel an encoder; an organ has the same mark in all of them."""
    looks = style.looks(style.systems(numbers))
    organs = numbers["organ"].dropna().drop_duplicates().tolist()
    marks = {organ: _mark(place) for place, organ in enumerate(organs)}
    n_columns = min(len(looks) + 1, _MOST_COLUMNS)
    n_rows = math.ceil((len(looks) + 1) / n_columns)  # the last panel is for the legend
    figure = Figure((style.PAGE_WIDTH, 2.2 * n_rows + 0.1), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes, (system, look) in zip(panels.flat, looks.items(), strict=False):
        own = style.system_rows(numbers, system)
        axes.set_title(look.label, loc="left")
        if own["x"].isna().all():
            maps.draw_reason(axes, str(own["reason"].iloc[0]))
        else:
            _draw_panel(axes, own, marks)
    for axes in panels.flat[len(looks) :]:
        axes.set_axis_off()
    handles = [
        Line2D([], [], color=colour, marker=marker, ls="", ms=4, label=organ)
        for organ, (colour, marker) in marks.items()
    ]
    panels.flat[len(looks)].legend(handles=handles, loc="center left", fontsize=6.5, handletextpad=0.1)
    return figure


def _mark(place: int) -> tuple[Colour, str]:
    return matplotlib.colormaps["tab20"](2 * place % 20 + place // 10), _MARKS[place % len(_MARKS)]


def _draw_panel(axes: Axes, points: pd.DataFrame, marks: dict[str, tuple[Colour, str]]) -> None:
    for organ, (colour, marker) in marks.items():
        own = points[points["organ"] == organ]
        axes.plot(own["x"], own["y"], marker, color=colour, ms=3.5, mew=0)
    score = points.iloc[0]
    text = (
        f"silhouette {score['silhouette']:.2f}, purity {score['purity']:.2f} ({score['chance']:.2f})\n"
        f"n = {score['n_points']:.0f}: {score['n_organs']:.0f} organs, {score['n_cases']:.0f} cases"
    )
    axes.set_xlabel(text, size=6.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.08)
