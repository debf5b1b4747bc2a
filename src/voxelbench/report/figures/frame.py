"""Title, legend and footer around a picture: what it shows, how to read it, how long it ran and on which data."""

import textwrap

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from voxelbench.report.figures import style

_TITLE_SIZE, _FOOTER_SIZE = 10, 7
_LETTERS_PER_INCH = {_TITLE_SIZE: 12.5, _FOOTER_SIZE: 19.0}  # of DejaVu Sans, on the safe side
_MARGIN = 0.08


def add_frame(figure: Figure, title: str, footer: str) -> None:
    """Make a figure in constrained layout higher, by a title above and by its legend and a footer below it."""
    width, height = figure.get_size_inches()
    titled, footed = _wrapped(title, _TITLE_SIZE, width), _wrapped(footer, _FOOTER_SIZE, width)
    above, below, legend = _height(titled, _TITLE_SIZE), _height(footed, _FOOTER_SIZE), _legend_height(figure)
    total = above + height + legend + below
    figure.set_size_inches(width, total)
    figure.set_layout_engine("constrained", rect=(0, (legend + below) / total, 1, height / total))
    for each in figure.legends:
        each.set_in_layout(False)
        each.set_loc("lower center")
        each.set_bbox_to_anchor((0.5, below / total), transform=figure.transFigure)
    left = _MARGIN / width
    figure.text(left, 1 - _MARGIN / total, titled, size=_TITLE_SIZE, weight="bold", va="top")
    figure.text(left, _MARGIN / total, footed, size=_FOOTER_SIZE, color=style.INK, va="bottom")


def settle(figure: Figure) -> None:
    """Lay a figure out once and for all, on positions of six decimals.

    The solver's last digits differ from process to process, and an SVG names its clip paths after all digits.
    """
    for _ in range(2):  # the room of rotated labels is known after the first
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        x, y, width, height = (round(each, 6) for each in axes.get_position(original=True).bounds)
        axes.set_position((x, y, width, height))


def blank(reason: str) -> Figure:
    """Return a picture of page width that holds a sentence, in constrained layout."""
    text = _wrapped(reason, _FOOTER_SIZE, style.PAGE_WIDTH)
    figure = Figure((style.PAGE_WIDTH, _height(text, _FOOTER_SIZE) + 0.5), layout="constrained")
    figure.text(0.5, 0.5, text, size=_FOOTER_SIZE, ha="center", va="center")
    return figure


def _wrapped(text: str, size: int, width: float) -> str:
    return textwrap.fill(text, int((width - 2 * _MARGIN) * _LETTERS_PER_INCH[size]))


def _height(text: str, size: int) -> float:
    n_lines = text.count("\n") + 1
    return n_lines * size * 1.3 / 72 + 2 * _MARGIN


def _legend_height(figure: Figure) -> float:
    """Return inches of the highest legend; 0 without one."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    return max((each.get_window_extent(renderer).height / figure.dpi for each in figure.legends), default=0.0)
