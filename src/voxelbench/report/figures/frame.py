"""Title and footer around a picture: what it shows, how to read it, how long it ran and on which data."""

import textwrap

from matplotlib.figure import Figure

from voxelbench.report.figures import style

_TITLE_SIZE, _FOOTER_SIZE = 10, 7
_LETTERS_PER_INCH = {_TITLE_SIZE: 12.5, _FOOTER_SIZE: 18.0}  # of DejaVu Sans, on the safe side
_MARGIN = 0.08


def add_frame(figure: Figure, title: str, footer: str) -> None:
    """Make a figure, laid out by constrained layout, higher by a title above and a footer below it."""
    width, height = figure.get_size_inches()
    titled, footed = _wrapped(title, _TITLE_SIZE, width), _wrapped(footer, _FOOTER_SIZE, width)
    above, below = _height(titled, _TITLE_SIZE), _height(footed, _FOOTER_SIZE)
    total = above + height + below
    figure.set_size_inches(width, total)
    inside = (0, below / total, 1, height / total)
    figure.set_layout_engine("constrained", rect=inside)
    for legend in figure.legends:
        legend.set_bbox_to_anchor(inside, transform=figure.transFigure)
    left = _MARGIN / width
    figure.text(left, 1 - _MARGIN / total, titled, size=_TITLE_SIZE, weight="bold", va="top")
    figure.text(left, _MARGIN / total, footed, size=_FOOTER_SIZE, color=style.INK, va="bottom")


def _wrapped(text: str, size: int, width: float) -> str:
    return textwrap.fill(text, int((width - 2 * _MARGIN) * _LETTERS_PER_INCH[size]))


def _height(text: str, size: int) -> float:
    n_lines = text.count("\n") + 1
    return n_lines * size * 1.3 / 72 + 2 * _MARGIN
