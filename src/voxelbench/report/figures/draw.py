"""A figure of the config, drawn: the picture twice, as PNG and SVG, and the numbers that it shows."""

import logging

import pandas as pd
from matplotlib.figure import Figure

from voxelbench import paths
from voxelbench.atomic import write_text, written_whole
from voxelbench.errors import NothingToDraw
from voxelbench.figure_inputs import figure_budget, figure_caption, figure_data, figure_settings, figure_title
from voxelbench.report.figures import style
from voxelbench.report.figures.frame import add_frame, blank, settle
from voxelbench.report.figures.kinds import DRAWN_BY
from voxelbench.report.figures.request import Request

logger = logging.getLogger(__name__)

# Neither a date nor a version: the same numbers give the same bytes.
_METADATA = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


def write_figure(name: str, budget: str | None) -> None:
    """Draw a figure of the config and write PNG, SVG and the CSV of its numbers side by side.

    Where there is nothing to draw the picture says why. Raises ConfigError for a figure that does not exist, and
    DataError where what it is drawn from is not made yet.
    """
    request = Request(name, figure_settings(name), figure_budget(name, budget))
    picture, numbers = draw(request)
    for form, metadata in _METADATA.items():
        with style.applied(), written_whole(paths.figure(request.budget, name, f".{form}")) as partial:
            picture.savefig(partial, format=form, metadata=metadata)
    write_text(
        paths.figure(request.budget, name, ".csv"),
        numbers.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
    )
    logger.info("wrote %s", paths.figure(request.budget, name))


def draw(request: Request) -> tuple[Figure, pd.DataFrame]:
    """Return a figure with title and footer, and the numbers that it shows."""
    kind, settings, budget = DRAWN_BY[request.settings.kind], request.settings, request.budget
    with style.applied():
        try:
            numbers = kind.numbers(request)
            picture = kind.draw(numbers)
        except NothingToDraw as reason:
            logger.warning("%s", reason)
            numbers = pd.DataFrame({"reason": [str(reason)]})
            picture = blank(str(reason))
        add_frame(picture, figure_title(settings), figure_caption(settings, budget))
        settle(picture)
    return picture, numbers.assign(budget=budget, data=figure_data(settings, budget)).pipe(_identity_first)


def _identity_first(numbers: pd.DataFrame) -> pd.DataFrame:
    first = ["budget", "data"]
    return numbers[[*first, *(column for column in numbers.columns if column not in first)]]
