"""One look for all figures: a method has the same colour and mark wherever it is drawn.

The colours are those of Okabe and Ito (2008, "Color Universal Design"), which colour-blind readers can tell apart;
those of methods that are not listed come from Tol's "muted" scheme (2021).
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, NamedTuple

import matplotlib
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from voxelbench import registry
from voxelbench.config import read_config, read_method
from voxelbench.runs import MethodId

PAGE_WIDTH = 7.2
"""Inches: a figure as wide as a page is read at its own size."""

INK = "#333333"
FAINT = "#8c8c8c"
GRID = "#e3e3e3"

_DPI = 160

_RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8.5,
    "figure.dpi": _DPI,  # a layout is that of its resolution
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib: equal on every machine
    "font.size": 8,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "savefig.dpi": _DPI,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "voxelbench",  # ids are equal in every drawing
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

_FAMILIES = {
    "scratch": ("#7F7F7F", "o"),
    "s2dc": ("#D55E00", "s"),
    "voco": ("#0072B2", "^"),
    "swinmm": ("#009E73", "D"),
    "alice": ("#CC79A7", "v"),
    "gvsl": ("#E69F00", "P"),
    "nnunet": ("#56B4E9", "X"),
}
_SPARE = (("#882255", ">"), ("#999933", "h"), ("#332288", "p"), ("#AA4499", "d"), ("#44AA99", "8"), ("#117733", "<"))
_HATCHES = ("", "////", "....", "xxxx", "----")
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
_LIGHTEST = 0.65
_ENTRY, _LETTER = 0.62, 0.066
"""Inches of a legend's entry without its name, and of a letter of that."""


class System(NamedTuple):
    """What a row of a table is about. `variant` holds the ablation too, as in tables: "code.g"."""

    method: str
    variant: str
    encoder: str


class Look(NamedTuple):
    """How a system is drawn, and its name in labels and legends."""

    label: str
    colour: tuple[float, float, float]
    marker: str
    hatch: str
    line: Any


def applied() -> AbstractContextManager[None]:
    """Return a context in which Matplotlib draws and saves in this style."""
    return matplotlib.rc_context(_RC)


def systems(rows: pd.DataFrame) -> list[System]:
    """Return the systems of rows with the columns `method`, `variant` and `encoder`, in the order of the rows."""
    found = rows[["method", "variant", "encoder"]].fillna("").drop_duplicates()
    return [System(*map(str, row)) for row in found.itertuples(index=False)]


def system_rows(rows: pd.DataFrame, system: System) -> pd.DataFrame:
    """Return the rows of one system."""
    named = rows[["method", "variant", "encoder"]].fillna("").eq(list(system)).all(axis=1)
    return rows[named]


def looks(drawn: Sequence[System]) -> dict[System, Look]:
    """Return the look of each system of a figure.

    The family gives colour and mark, the variant hatch and line, and an ablation or a further encoder a lighter shade.
    Labels name the encoder where the figure has several.
    """
    has_encoders = len({system.encoder for system in drawn}) > 1
    return {system: _look(system, _encoder_rank(system, drawn), has_encoders) for system in drawn}


def lines(n: int) -> list[Any]:
    """Return `n` styles of a line, for what is no method."""
    return [_LINES[place % len(_LINES)] for place in range(n)]


def legend_handles(drawn: Iterable[Look], has_lines: bool = True) -> list[Line2D]:
    """Return one entry of a legend for each look: its mark, on its line if there are lines."""
    return [
        Line2D([], [], color=look.colour, marker=look.marker, ms=5, ls=look.line if has_lines else "", label=look.label)
        for look in drawn
    ]


def add_legend(figure: Figure, entries: Sequence[Line2D]) -> None:
    """Give a figure a legend with as many columns as fit; `frame` puts it between picture and footer."""
    width = _ENTRY + _LETTER * max(len(str(entry.get_label())) for entry in entries)
    figure.legend(handles=list(entries), ncols=max(1, min(len(entries), int(figure.get_size_inches()[0] / width))))


def _encoder_rank(system: System, drawn: Sequence[System]) -> int:
    same = [other.encoder for other in drawn if other[:2] == system[:2]]
    return same.index(system.encoder)


def _look(system: System, encoder_rank: int, has_encoders: bool) -> Look:
    variant, _, ablation = system.variant.partition(".")
    colour, marker = _family(system.method)
    variant_rank, ablation_rank = _variant_rank(system.method, variant), _ablation_rank(system.method, ablation)
    label = ".".join(part for part in system[:2] if part)
    return Look(
        f"{label} in {system.encoder}" if has_encoders else label,
        _lighter(colour, ablation_rank + encoder_rank),
        marker,
        _HATCHES[variant_rank % len(_HATCHES)],
        _LINES[variant_rank % len(_LINES)],
    )


def _lighter(colour: str, steps: int) -> tuple[float, float, float]:
    share = _LIGHTEST * (1 - 0.6**steps)
    red, green, blue = (part + share * (1 - part) for part in to_rgb(colour))
    return red, green, blue


@cache
def _family(method: str) -> tuple[str, str]:
    if method in _FAMILIES:
        return _FAMILIES[method]
    others = sorted({*registry.names("methods"), method} - {*_FAMILIES})
    return _SPARE[others.index(method) % len(_SPARE)]


def _variant_rank(method: str, variant: str) -> int:
    """Return 0 for the variant that the config compares, and more for others, in the order of the method's file."""
    configured = [parsed.variant for parsed in map(MethodId.parse, read_config().methods) if parsed.name == method]
    if method not in registry.names("methods") or not variant or variant in configured[:1]:
        return 0
    others = [name for name in read_method(method).variants if name not in configured[:1]]
    return 1 + others.index(variant) if variant in others else 0


def _ablation_rank(method: str, ablation: str) -> int:
    if method not in registry.names("methods") or not ablation:
        return 0
    known = list(read_method(method).ablations)
    return 1 + known.index(ablation) if ablation in known else 0
