"""Controls that bound a score from below."""

from collections.abc import Sequence
from dataclasses import replace

from voxelbench.data.case import Case

SHUFFLED = "shuffled"
"""Variant of `scratch`: every training case learns the label of another one."""


def shuffle_targets(cases: Sequence[Case]) -> list[Case]:
    """Return the cases, each with label and class of the one before: what is left to learn is location and prior."""
    donors = [cases[-1], *cases[:-1]]
    return [
        replace(case, label_image=donor.label_image, target=donor.target)
        for case, donor in zip(cases, donors, strict=True)
    ]
