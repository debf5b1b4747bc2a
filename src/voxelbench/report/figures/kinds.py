"""Every kind of figure, and who draws it.

What a kind may be told stands in `voxelbench.figure_settings`, what it is drawn from in `voxelbench.figure_inputs`.
"""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from voxelbench.report.figures import (
    bars,
    cost_quality,
    critical_difference,
    distribution,
    evolution,
    label_fractions,
    montage,
    montage_draw,
    organs,
    similarity,
    training,
)
from voxelbench.report.figures.request import Request


class Kind(NamedTuple):
    """Two functions: what a figure shows, a row a mark, and its picture, drawn from these numbers and nothing else.

    The picture has no title and no caption yet, and a constrained layout.
    """

    numbers: Callable[[Request], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]


DRAWN_BY = {
    "bars": Kind(bars.numbers, bars.draw),
    "cost_quality": Kind(cost_quality.numbers, cost_quality.draw),
    "label_fractions": Kind(label_fractions.numbers, label_fractions.draw),
    "critical_difference": Kind(critical_difference.numbers, critical_difference.draw),
    "training": Kind(training.numbers, training.draw),
    "montage": Kind(montage.numbers, montage_draw.draw),
    "similarity": Kind(similarity.numbers, similarity.draw),
    "distribution": Kind(distribution.numbers, distribution.draw),
    "organs": Kind(organs.numbers, organs.draw),
    "evolution": Kind(evolution.numbers, evolution.draw),
}
