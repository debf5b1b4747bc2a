"""Controls that bound a score from below."""

from collections.abc import Sequence
from dataclasses import replace

from voxelbench.data.case import Case

SHUFFLED = "shuffled"
"""Variant of `scratch`: every training case learns the label of another one."""


def shuffle_targets(cases: Sequence[Case]) -> list[Case]:
    """Return the cases, each with the label and class of the one before it: what is left is what location and prior give."""
    donors = [cases[-1], *cases[:-1]]
    return [replace(case, label_image=donor.label_image, target=donor.target) for case, donor in zip(cases, donors, strict=True)]
