"""Mean ranks on one line, and bars between those that the tests do not separate (Demsar 2006, figure 1)."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voxelbench import paths
from voxelbench.errors import NothingToDraw
from voxelbench.report.figures import style
from voxelbench.report.figures.request import Request
from voxelbench.report.rows import RankRow
from voxelbench.report.schema import read_table

_LINE, _BAR, _TOP, _BELOW = 0.2, 0.11, 0.7, 0.1
"""Inches of a label, of a bar, and of what is above the axis and below all."""
_LETTER = 0.072
"""Inches of a letter of a name."""


def numbers(request: Request) -> pd.DataFrame:
    """Return the mean rank of each row of the table, the best first, and what the tests say.

    Raises NothingToDraw where there are no ranks, with the reason.
    """
    path = paths.ranks(request.budget, request.settings.table)
    rows = read_table(path, RankRow).drop(columns=["budget", "data"])
    if rows["mean_rank"].isna().all():
        reason = next(iter(rows["notes"]), "the table has no rows")
        raise NothingToDraw(f"{path}: {reason}; a diagram of ranks is for a table with more.")
    return rows.dropna(subset="mean_rank").sort_values("mean_rank", kind="stable", ignore_index=True)


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw the axis of ranks, a line to each name, the critical difference, and a bar for each letter of `group`."""
    looks, cliques = style.looks(style.systems(numbers)), _cliques(numbers)
    n_left = math.ceil(len(looks) / 2)
    height = _TOP + _BAR * (len(cliques) + 1) + _LINE * n_left + _BELOW
    figure = Figure((style.PAGE_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    room = _LETTER * (max(len(look.label) for look in looks.values()) + 6)
    rank_per_inch = (len(looks) - 1) / (style.PAGE_WIDTH - 2 * room)
    axes.set_xlim(1 - room * rank_per_inch, len(looks) + room * rank_per_inch)
    axes.set_ylim(height - _TOP, -_TOP)  # inches below the line of ranks
    axes.set_axis_off()
    _draw_ranks(axes, len(looks))
    _draw_difference(axes, numbers)
    for number, span in enumerate(cliques):
        axes.plot(span, [_BAR * (number + 1)] * 2, color=style.INK, lw=3, solid_capstyle="round")
    first = _BAR * (len(cliques) + 1) + _LINE / 2
    for place, (look, rank) in enumerate(zip(looks.values(), numbers["mean_rank"], strict=True)):
        if place < n_left:
            _draw_name(axes, look, rank, first + _LINE * place, 1 - 0.1 * rank_per_inch, "right")
        else:
            depth = first + _LINE * (len(looks) - 1 - place)
            _draw_name(axes, look, rank, depth, len(looks) + 0.1 * rank_per_inch, "left")
    return figure


def _cliques(numbers: pd.DataFrame) -> list[tuple[float, float]]:
    """Return the ranks from which to which each letter reaches that several rows share."""
    letters = sorted(set("".join(numbers["group"])))
    spans = [numbers.loc[numbers["group"].str.contains(letter, regex=False), "mean_rank"] for letter in letters]
    return sorted((span.min(), span.max()) for span in spans if len(span) > 1)


def _draw_ranks(axes: Axes, n_systems: int) -> None:
    axes.plot([1, n_systems], [0, 0], color=style.INK, lw=1)
    for rank in range(1, n_systems + 1):
        axes.plot([rank, rank], [0, -0.07], color=style.INK, lw=1)
        axes.text(rank, -0.1, str(rank), ha="center", va="bottom")


def _draw_difference(axes: Axes, numbers: pd.DataFrame) -> None:
    """Draw the critical difference to scale above the ranks, and what Friedman's test says."""
    difference, p, n_datasets = numbers[["critical_difference", "friedman_p", "n_datasets"]].iloc[0]
    axes.plot([1, 1 + difference], [-0.38, -0.38], "|-", color=style.INK, lw=1, ms=5)
    text = f"critical difference {difference:.2f} (Friedman's p {p:.2g}, {n_datasets:.0f} datasets)"
    axes.text(1, -0.48, text, va="bottom", size=7.5)


def _draw_name(axes: Axes, look: style.Look, rank: float, depth: float, edge: float, side: str) -> None:
    """Draw a mark at a rank and a line from it down and aside to a name that ends, or begins, at an edge."""
    axes.plot([rank, rank, edge], [0, depth, depth], color=look.colour, lw=1)
    axes.plot(rank, 0, look.marker, color=look.colour, ms=6)
    text = f"{look.label}  {rank:.2f} " if side == "right" else f" {look.label}  {rank:.2f}"
    axes.text(edge, depth, text, ha=side, va="center")
