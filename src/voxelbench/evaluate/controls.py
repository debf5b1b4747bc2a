"""Controls that bound a score from below."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from voxelbench.data.case import Case
from voxelbench.errors import DataError

SHUFFLED = "shuffled"
"""Variant of `scratch`: every training case learns the label of another one."""

FROZEN = "frozen"
"""Variant of `scratch`: the encoder stays as it was drawn; decoder and head learn."""


def shuffle_targets(cases: Sequence[Case], rng: np.random.RandomState) -> list[Case]:
    """Return the cases, each with the label and class of another: what is left is what location and prior give.

    Raises DataError if there is no other.
    """
    if len(cases) < 2:
        raise DataError(
            f"the control `{SHUFFLED}` gives a case the label of another, but case {cases[0].case_id} trains alone; "
            "take a larger fraction or another fold, or leave the control out."
        )
    order = rng.permutation(len(cases))
    # Along a random cycle, so that no case keeps its own.
    donors = dict(zip(order, np.roll(order, 1), strict=True))
    return [
        replace(case, label_image=cases[donors[index]].label_image, target=cases[donors[index]].target)
        for index, case in enumerate(cases)
    ]
