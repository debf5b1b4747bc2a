"""How the runs behind a table trained: each term of each pretraining, or the loss and score of each finetuning."""

import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from voxelbench.errors import NothingToDraw
from voxelbench.figure_inputs import training_runs
from voxelbench.figure_settings import Training
from voxelbench.report.figures import style
from voxelbench.report.figures.request import Request

TOTAL, VALIDATION = "total", "validation"
NO_LOSSES = "the run left no losses"
_NO_TERMS = ("step", "lr")
_FIELDS = ("stage", "panel", "method", "variant", "encoder", "run", "term", "step", "value", "reason")
_MOST_COLUMNS = 5
_PANEL_HEIGHT = 1.2
_TITLE_LETTERS = 17


def numbers(request: Request) -> pd.DataFrame:
    """Return one row a point: of each pretraining all terms, of each finetuning the total and the validation score.

    A run without losses is one row with its `reason`. Raises NothingToDraw if all are.
    """
    settings = request.settings
    assert isinstance(settings, Training)
    curves = [
        _curves(run.losses, settings).assign(
            stage=settings.stage,
            panel=run.panel,
            method=run.method.name,
            variant=run.method.variation,
            encoder=run.encoder,
            run=str(run.losses.parent),
        )
        for run in training_runs(settings, request.budget)
    ]
    found = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=list(_FIELDS))
    if found["value"].isna().all():
        raise NothingToDraw(
            f"figure '{request.name}': no run behind {settings.table} has losses yet; run the table first."
        )
    return found[list(_FIELDS)]


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw a row of panels a method and a column a term, or a pair of panels a column of the table."""
    return _draw_pretraining(numbers) if numbers["stage"].iloc[0] == "pretrain" else _draw_finetuning(numbers)


def _curves(path: Path, settings: Training) -> pd.DataFrame:
    """Return the points (term, step, value) of one run's losses; of many steps, the means of neighbours."""
    if not path.is_file():
        return pd.DataFrame({"term": [TOTAL], "step": [np.nan], "value": [np.nan], "reason": [NO_LOSSES]})
    rows = pd.read_csv(path).replace([np.inf, -np.inf], np.nan)
    is_pretrained = settings.stage == "pretrain"
    terms = [name for name in rows.columns if name not in _NO_TERMS] if is_pretrained else [TOTAL]
    block = rows.index // math.ceil(len(rows) / settings.n_points)
    points = rows[["step", *terms]].groupby(block).mean().melt("step", var_name="term")
    scores = rows.reindex(columns=["step", VALIDATION]).dropna().melt("step", var_name="term")
    return pd.concat([points] if is_pretrained else [points, scores]).assign(reason="")


def _draw_pretraining(numbers: pd.DataFrame) -> Figure:
    looks = style.looks(style.systems(numbers))
    corpora = list(dict.fromkeys(numbers["panel"]))
    n_terms = max(style.system_rows(numbers, system)["term"].nunique() for system in looks)
    figure = Figure((style.PAGE_WIDTH, _PANEL_HEIGHT * len(looks) + 0.2), layout="constrained")
    grid = figure.subplots(len(looks), n_terms, squeeze=False)
    for row, (system, look) in zip(grid, looks.items(), strict=True):
        mine = style.system_rows(numbers, system)
        terms = list(dict.fromkeys(mine["term"]))
        for axes, term in zip(row, terms, strict=False):
            part = mine[mine["term"] == term]
            for corpus, line in zip(corpora, style.lines(len(corpora)), strict=True):
                _draw_runs(axes, part[part["panel"] == corpus], color=look.colour, linestyle=line, lw=1)
            _dress(axes, str(term).replace("_", " "), part)
        for axes in row[len(terms) :]:
            axes.remove()
        row[0].set_ylabel(look.label)
    lines = zip(corpora, style.lines(len(corpora)), strict=True)
    style.add_legend(figure, [Line2D([], [], color=style.INK, ls=line, label=corpus) for corpus, line in lines])
    return figure


def _draw_finetuning(numbers: pd.DataFrame) -> Figure:
    looks = style.looks(style.systems(numbers))
    panels = list(numbers.groupby("panel", sort=False))
    n_columns = min(len(panels), _MOST_COLUMNS)
    n_blocks = math.ceil(len(panels) / n_columns)
    figure = Figure((style.PAGE_WIDTH, 2 * _PANEL_HEIGHT * n_blocks + 0.3), layout="constrained")
    grid = figure.subplots(2 * n_blocks, n_columns, squeeze=False)
    for place in range(n_blocks * n_columns):
        block, column = divmod(place, n_columns)
        pair = grid[2 * block : 2 * block + 2, column]
        if place >= len(panels):
            for axes in pair:
                axes.remove()
            continue
        name, part = panels[place]
        for system, look in looks.items():
            mine = style.system_rows(part, system)
            style_of = {"color": look.colour, "linestyle": look.line, "lw": 1}
            _draw_runs(pair[0], mine[mine["term"] == TOTAL], **style_of)
            _draw_runs(pair[1], mine[mine["term"] == VALIDATION], **style_of, marker=look.marker, ms=3)
        _dress(pair[0], str(name), part)
        _dress(pair[1], "", part.iloc[:0])
        if column == 0:
            pair[0].set_ylabel("loss")
            pair[1].set_ylabel("validation")
    style.add_legend(figure, style.legend_handles(looks.values()))
    return figure


def _draw_runs(axes: Axes, points: pd.DataFrame, **look: Any) -> None:
    """Draw a line for each run."""
    for _, run in points.dropna(subset="value").groupby("run", sort=False):
        axes.plot(run["step"], run["value"], **look)


def _dress(axes: Axes, title: str, points: pd.DataFrame) -> None:
    """Name a panel, say how many of its runs have no losses, and keep its ticks few and small."""
    axes.set_title(textwrap.fill(title, _TITLE_LETTERS), loc="left", size=7, pad=2)
    if n_missing := points.loc[points["reason"] != "", "run"].nunique():
        text = f"{n_missing} run{'s' * (n_missing > 1)} without losses"
        axes.text(0.98, 0.96, text, transform=axes.transAxes, ha="right", va="top", size=6, style="italic")
    axes.tick_params(labelsize=6, length=2, pad=1.5)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_xlabel("step", size=6, labelpad=1)
    axes.yaxis.label.set_fontsize(7)
    axes.grid(axis="y")
