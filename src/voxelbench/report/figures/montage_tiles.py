"""The tiles of a montage: what one case shows of itself, and of each method's answer.

Slices are drawn as radiologists see them: the patient's right on the left, the front on top.
"""

import textwrap
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from voxelbench.evaluate.examples import Panels
from voxelbench.report.figures import style

Tile = Callable[[Axes], None]
"""Draws into one field of a montage."""

_OPACITY = 0.6
_REASON_LETTERS = 18


class Layout(NamedTuple):
    """How a case is shown: the titles of its own tiles, and rows of tiles from its panels and those of each method.

    A method without a slice of the case has None for panels; its tile is left to who lays the montage out.
    """

    titles: tuple[str, ...]
    rows: Callable[[Panels, Sequence[Panels | None]], list[list[Tile | None]]]


def layout(panels: Panels) -> Layout:
    """Return how cases with such panels are shown."""
    if "probabilities" in panels:
        return Layout(("image",), _classified)
    return Layout(("input", "target"), _restored) if "target" in panels else Layout(("image", "truth"), _segmented)


def class_colour(number: int) -> tuple[float, float, float]:
    """Return the colour of a class by its number, from 1 on; after 20 they come again."""
    red, green, blue, _ = matplotlib.colormaps["tab20"]((number - 1) % 20)
    return red, green, blue


def reason_tile(reason: str) -> Tile:
    """Return a tile that says why there is no answer."""
    text = textwrap.fill(reason, _REASON_LETTERS, max_lines=5)

    def paint(axes: Axes) -> None:
        axes.text(0.5, 0.5, text, size=5.5, color=style.FAINT, ha="center", va="center", transform=axes.transAxes)

    return paint


def _segmented(own: Panels, answers: Sequence[Panels | None]) -> list[list[Tile | None]]:
    image = own["image"]
    masks = [own["truth"], *(None if each is None else each["answer"] for each in answers)]
    return [[_slice(image), *(None if mask is None else _painted(image, mask) for mask in masks)]]


def _restored(own: Panels, answers: Sequence[Panels | None]) -> list[list[Tile | None]]:
    """Return the images in the target's range and, below, how far each is from the target, all on one scale."""
    target = own["target"].astype(np.float32)
    shown = [own["input"], *(None if each is None else each["answer"] for each in answers)]
    errors = [None if each is None else np.abs(each.astype(np.float32) - target) for each in shown]
    low, high = (float(bound) for bound in np.percentile(target, (0.5, 99.5)))
    worst = max(float(np.percentile(error, 99.5)) for error in errors if error is not None)
    images = [None if each is None else _slice(each, low, high) for each in shown]
    maps = [None if error is None else _slice(error, 0.0, worst, "magma") for error in errors]
    return [[images[0], _slice(target, low, high), *images[1:]], [maps[0], _blank, *maps[1:]]]


def _classified(own: Panels, answers: Sequence[Panels | None]) -> list[list[Tile | None]]:
    bars = [None if each is None else _bars(each["probabilities"], int(own["true_class"])) for each in answers]
    return [[_slice(own["image"]), *bars]]


def _slice(plane: np.ndarray, low: float | None = None, high: float | None = None, colours: str = "gray") -> Tile:
    def paint(axes: Axes) -> None:
        axes.imshow(_facing(plane.astype(np.float32)), cmap=colours, vmin=low, vmax=high, interpolation="nearest")

    return paint


def _painted(image: np.ndarray, numbers: np.ndarray) -> Tile:
    def paint(axes: Axes) -> None:
        _slice(image)(axes)
        overlay = np.zeros((*numbers.shape, 4))
        for number in np.unique(numbers[numbers > 0]):
            overlay[numbers == number] = (*class_colour(int(number)), _OPACITY)
        axes.imshow(_facing(overlay), interpolation="nearest")

    return paint


def _bars(probabilities: np.ndarray, true_class: int) -> Tile:
    def paint(axes: Axes) -> None:
        places = np.arange(len(probabilities))
        colours = [style.INK if place == true_class else "#c4c4c4" for place in places]
        axes.barh(places, probabilities, color=colours)
        axes.set(xlim=(0, 1), ylim=(len(places) - 0.5, -0.5), facecolor="#f4f4f4")

    return paint


def _blank(axes: Axes) -> None:
    """Draw nothing."""


def _facing(plane: np.ndarray) -> np.ndarray:
    return plane.swapaxes(0, 1)[::-1, ::-1]
