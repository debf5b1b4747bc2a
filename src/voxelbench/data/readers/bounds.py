"""What every format checks before it believes a header: shape, type, size against the file, and the affine."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np

from voxelbench.errors import DataError, VoxelbenchError

MAX_VOXELS = 2**30
"""1024 x 1024 x 1024. The largest volumes of the field, total-body PET, have a tenth of it."""

SPACING_MM = (1e-3, 1e3)
"""Where a spacing can lie; outside of it a header is damaged, or in other units than mm."""

DEFLATE = 1100
"""No deflate stream grows more than 1032 times when it is inflated; the rest is room for its frame."""

Shape = tuple[int, int, int]


@contextmanager
def complete(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library raises about a damaged file into one DataError.

    Parsers raise almost any exception on damaged bytes, and no list of them has proved complete.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except VoxelbenchError:
        raise
    except Exception as error:
        raise DataError(
            f"{path}: not a complete {kind} file ({type(error).__name__}). It may be truncated: copy it again."
        ) from None


def checked_shape(path: Path, shape: Sequence[int]) -> Shape:
    """Return the three axes of a volume; axes of one voxel beyond the third are dropped."""
    lengths = [int(length) for length in shape]
    while len(lengths) > 3 and lengths[-1] == 1:
        lengths.pop()
    if len(lengths) != 3:
        raise DataError(f"{path}: has shape {tuple(lengths)}, expected three axes (X, Y, Z).")
    if min(lengths) < 1 or prod(lengths) > MAX_VOXELS:
        raise DataError(
            f"{path}: has shape {tuple(lengths)}, expected 1 voxel or more along each axis and at most "
            f"{MAX_VOXELS} in all. Its header may be damaged: copy it again."
        )
    x, y, z = lengths
    return x, y, z


def checked_dtype(path: Path, dtype: np.dtype) -> np.dtype:
    """Return the type of a voxel if it is one real number of at most 64 bits."""
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise DataError(
            f"{path}: has voxels of type {dtype}, expected whole or real numbers of at most 64 bits; convert it."
        )
    return dtype


def check_size(path: Path, n_bytes: int, available: int, ratio: int = 1) -> None:
    """Check that a file of `available` bytes can hold `n_bytes` of voxels, if compression saves `ratio` at most."""
    if n_bytes > available * ratio:
        raise DataError(
            f"{path}: declares {n_bytes} bytes of voxels, more than its {available} bytes can hold. "
            "It may be truncated: copy it again."
        )


def checked_affine(path: Path, affine: np.ndarray) -> np.ndarray:
    """Return an affine if it is finite and regular, with a spacing that can be one in mm."""
    if not np.isfinite(affine).all():
        raise DataError(f"{path}: has an affine with a value that is NaN or infinite; mend the header.")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    low, high = SPACING_MM
    if not ((spacing >= low) & (spacing <= high)).all():
        listed = " x ".join(f"{value:g}" for value in spacing)
        raise DataError(f"{path}: has a spacing of {listed} mm, expected {low:g} to {high:g}; mend the header.")
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        raise DataError(f"{path}: has a singular affine, which gives no volume in space; mend the header.")
    return affine
