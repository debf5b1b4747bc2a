"""What no metric scores: values that are not finite, masks that do not match, a spacing that is not known.

A metric does not know whose arrays it is given; `naming` puts the case in front of what it refuses.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from voxelbench.errors import DataError

Spacing = Sequence[float]
"""The size of a voxel in mm along X, Y and Z."""


@contextmanager
def naming(case_id: str) -> Iterator[None]:
    """Begin the sentence of a DataError that is raised inside with the name of the case."""
    try:
        yield
    except DataError as error:
        raise type(error)(f"case {case_id}: {error}") from None


def require_finite(values: np.ndarray, name: str) -> None:
    """Raise DataError if some value is NaN or infinite: averaged, it would vanish from a mean or spoil it."""
    wrong = ~np.isfinite(values)
    if wrong.any():
        first = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise DataError(
            f"the {name} has {int(wrong.sum())} of {values.size} values that are not finite, the first at {first} "
            f"({values[first]}), expected numbers; look for the cause in the run's losses, and train again."
        )


def require_masks(prediction: np.ndarray, reference: np.ndarray) -> None:
    """Raise DataError unless both are bool (X, Y, Z) of the same shape."""
    found = [f"{mask.dtype} {mask.shape}" for mask in (prediction, reference)]
    if found[0] != found[1] or prediction.dtype != bool or prediction.ndim != 3:
        raise DataError(
            f"the predicted mask is {found[0]} and the reference {found[1]}, expected two of bool (X, Y, Z) on one "
            "grid; resample or threshold the prediction first."
        )


def known_spacing(spacing_mm: Spacing | None) -> tuple[float, ...]:
    """Return a spacing as floats. Raises DataError unless it is three positive numbers."""
    if spacing_mm is None:
        raise DataError(
            "a metric in mm or ml needs the size of a voxel, and `spacing_mm` is null; take such metrics off the "
            "task's card, or prepare the dataset from files that have a spacing."
        )
    spacing = tuple(float(length) for length in spacing_mm)
    if len(spacing) != 3 or not all(np.isfinite(length) and length > 0 for length in spacing):
        raise DataError(f"`spacing_mm` is {spacing}, expected three positive numbers; mend it in the manifest.")
    return spacing
