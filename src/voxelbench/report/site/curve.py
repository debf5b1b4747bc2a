"""Curves of a run's losses, small enough to stand inside a page."""

import math
from dataclasses import dataclass
from pathlib import Path

from voxelbench.report.site.sources import Row, read_rows

N_POINTS = 60
WIDTH, HEIGHT = 240, 64
SHOWN = ("total", "validation")
"""Columns of `losses.csv`: the loss of a step, and the score of held-out cases."""


@dataclass(frozen=True)
class Curve:
    """One column of `losses.csv` over steps: the points of an SVG polyline, and its ends and range in words."""

    name: str
    points: str
    n_steps: int
    first: float
    last: float
    lowest: float
    highest: float


def read_curve(path: Path) -> tuple[Curve, ...]:
    """Return the curves of a file of losses; none if it is not there."""
    rows = read_rows(path)
    return tuple(curve(name, values) for name in SHOWN if len(values := _finite(rows, name)) > 1)


def _finite(rows: list[Row], name: str) -> list[tuple[float, float]]:
    """Return (step, value) where there is one: the validation score is empty at most steps, a diverged loss is nan."""
    pairs = ((float(row["step"]), float(row[name])) for row in rows if row.get(name))
    return [(step, value) for step, value in pairs if math.isfinite(value)]


def curve(name: str, values: list[tuple[float, float]]) -> Curve:
    """Return a curve through means of equal shares of the (step, value) pairs, at most N_POINTS of them."""
    means = _means(values)
    heights = [y for _, y in means]
    start, span_x = means[0][0], means[-1][0] - means[0][0] or 1
    low, span_y = min(heights), max(heights) - min(heights) or 1
    places = (((x - start) / span_x * WIDTH, HEIGHT - (y - low) / span_y * HEIGHT) for x, y in means)
    points = " ".join(f"{x:.0f},{y:.1f}" for x, y in places)
    n_steps = int(values[-1][0]) + 1
    return Curve(name, points, n_steps, heights[0], heights[-1], low, max(heights))


def _means(values: list[tuple[float, float]]) -> list[tuple[float, float]]:
    size = math.ceil(len(values) / N_POINTS)
    shares = (values[start : start + size] for start in range(0, len(values), size))
    return [(sum(x for x, _ in share) / len(share), sum(y for _, y in share) / len(share)) for share in shares]
