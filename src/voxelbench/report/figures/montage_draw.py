"""A montage as a picture: a row a case, the case itself on the left, the answer of each method beside it."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from voxelbench import registry
from voxelbench.config import task_card
from voxelbench.evaluate.examples import Panels, read_examples
from voxelbench.evaluate.labels import task_classes
from voxelbench.report.figures import style
from voxelbench.report.figures.montage_tiles import Tile, class_colour, layout, reason_tile

MARK = "real patients: not for publication"
_SMALL, _TINY = 6.5, 5.5
_LABEL_INCHES, _CAPTION_INCHES, _LEGEND_INCHES = 0.5, 0.25, 0.4
_WIDEST_INCHES = 1.5
_LEGEND_COLUMNS = 7
_TITLE_LETTERS = 14


class Shown(NamedTuple):
    """A case: its rows of the numbers, its own panels, and those of each method, None where there are none."""

    about: pd.DataFrame
    own: Panels
    answers: list[Panels | None]


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw every case, from the slices that the numbers name; of restored images the errors stand below."""
    cases = [_read(about) for _, about in numbers.groupby("case_id", sort=False)]
    how = layout(cases[0].own)
    blocks = [how.rows(case.own, case.answers) for case in cases]
    figure, axes, legend = _grid([row for block in blocks for row in block], cases)
    names = (look.label for look in style.looks(style.systems(numbers)).values())
    for axis, title in zip(axes[0], (*how.titles, *names), strict=True):
        axis.set_title(title.replace(".", ".\n", 1) if len(title) > _TITLE_LETTERS else title, fontsize=_SMALL)
    lines = iter(axes)
    for case, block in zip(cases, blocks, strict=True):
        _paint([next(lines) for _ in block], block, case, len(how.titles))
    said, classes = _legend(cases)
    small = {"fontsize": _TINY, "title_fontsize": _TINY, "handlelength": 1}
    legend.legend(handles=classes, title=said, loc="center", ncols=_LEGEND_COLUMNS, **small)
    if not numbers["may_be_published"].all():
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.6}
        figure.text(0.5, 0.5, MARK, size=20, color="#D55E00", rotation=20, ha="center", va="center", bbox=ground)
    return figure


def _read(about: pd.DataFrame) -> Shown:
    kept = [
        _panels(path)[case] if path else None for path, case in zip(about["examples"], about["case_id"], strict=True)
    ]
    return Shown(about, next(each for each in kept if each is not None), kept)


@cache
def _panels(path: str) -> dict[str, Panels]:
    return {each.case_id: each.panels for each in read_examples(Path(path))}


def _grid(rows: list[list[Tile | None]], cases: list[Shown]) -> tuple[Figure, np.ndarray, Axes]:
    """Return a figure, a field for every tile in the proportions of the slices, and one below for the legend."""
    n_columns = len(rows[0])
    width = min((style.PAGE_WIDTH - _LABEL_INCHES) / n_columns, _WIDEST_INCHES)
    slices = [next(iter(case.own.values())) for case in cases]
    height = width * max(plane.shape[1] / plane.shape[0] for plane in slices) + _CAPTION_INCHES
    figure = Figure((_LABEL_INCHES + width * n_columns, len(rows) * height + _LEGEND_INCHES), layout="constrained")
    grid = figure.add_gridspec(len(rows) + 1, n_columns, height_ratios=[*[height] * len(rows), _LEGEND_INCHES])
    axes = np.array([[figure.add_subplot(grid[i, j]) for j in range(n_columns)] for i in range(len(rows))])
    legend = figure.add_subplot(grid[-1, :])
    for axis in (*axes.flat, legend):
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure, axes, legend


def _paint(lines: list[np.ndarray], block: list[list[Tile | None]], case: Shown, n_own: int) -> None:
    """Draw the tiles of a case; each method's value stands under its answer, or the reason in its place."""
    first = case.about.iloc[0]
    for line, tiles, label in zip(lines, block, (f"{first['rank']}\n{first['case_id']}", "error"), strict=False):
        line[0].set_ylabel(label, fontsize=_SMALL)
        for axis, tile in zip(line, tiles, strict=True):
            if tile is not None:
                tile(axis)
    for axis, tile, (_, row) in zip(lines[0][n_own:], block[0][n_own:], case.about.iterrows(), strict=True):
        if tile is None:
            reason_tile(row["reason"])(axis)
        else:
            axis.set_xlabel(_value(row), fontsize=_SMALL, labelpad=2)


def _value(row: pd.Series) -> str:
    if row["metric"] == "accuracy":
        return "right" if row["value"] else "wrong"
    return f"{row['metric']} {row['value']:.1f}"


def _legend(cases: list[Shown]) -> tuple[str, list[Patch]]:
    """Return what a reader has to know, and the classes that are painted somewhere."""
    reference, dataset, task = cases[0].about[["reference", "dataset", "task"]].iloc[0]
    card, said = registry.dataset_card(dataset), f"best, median and worst of {reference}"
    if "true_class" in cases[0].own:
        return f"{said}; bars, from above: {', '.join(card.classes)}; the true one is dark", []
    if "target" in cases[0].own:
        pairs = ", ".join(dict.fromkeys(pair for pair in cases[0].about["pair"] if pair))
        return f"{said}; slices: {pairs}; the errors of a case are on one scale", []
    painted = [each for case in cases for each in (case.own["truth"], *(a["answer"] for a in case.answers if a))]
    names = list(task_classes(card, task_card(dataset, task)))
    present = sorted({int(number) for plane in painted for number in np.unique(plane) if number})
    return said, [Patch(color=class_colour(number), label=names[number - 1]) for number in present]
