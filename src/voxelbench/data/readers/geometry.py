"""Where the slices of a series lie: their order along the normal, one distance between all, and the affine."""

from pathlib import Path

import numpy as np

from voxelbench.errors import DataError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

_UNEVEN = 0.1
"""How far a slice may lie from where an even stack has it, as a share of the distance: positions are rounded."""
_TILT_PIXELS = 0.5
"""How far the last slice may lie beside the first, in pixels."""


def sorted_along_normal(
    folder: Path, positions: np.ndarray, normal: np.ndarray, pixel_mm: float
) -> tuple[list[int], np.ndarray]:
    """Return the order of slices along `normal` and the step (3,) in mm from one to the next.

    Args:
        folder: named in errors.
        positions: centres of the first pixel of each slice, (slice, 3) in mm.
        normal: unit vector at right angles to the slices.
        pixel_mm: distance of pixels in a slice.

    Raises:
        DataError: for fewer than two slices, two in one place, uneven distances, or a tilted gantry.
    """
    if len(positions) < 2:
        raise DataError(f"{folder}: holds one slice, expected a volume of two or more; fetch the rest of the series.")
    order = np.argsort(positions @ normal, kind="stable")
    heights = (positions @ normal)[order]
    _check_even(folder, heights)
    span = positions[order[-1]] - positions[order[0]]
    beside = np.linalg.norm(span - (span @ normal) * normal)
    if beside > _TILT_PIXELS * pixel_mm:
        degrees = np.degrees(np.arctan2(beside, span @ normal))
        raise DataError(
            f"{folder}: its slices are shifted sideways ({degrees:.1f} degrees, a tilted gantry), expected them one "
            "above the other; resample the series onto an upright grid."
        )
    return [int(index) for index in order], span / (len(positions) - 1)


def _check_even(folder: Path, heights: np.ndarray) -> None:
    gaps = np.diff(heights)
    if gaps.min() <= 1e-3:
        at = heights[int(gaps.argmin())]
        raise DataError(f"{folder}: has two slices at {at:g} mm along its normal, expected one; keep one acquisition.")
    even = np.linspace(heights[0], heights[-1], len(heights))
    if np.abs(heights - even).max() > _UNEVEN * gaps.min():
        raise DataError(
            f"{folder}: its slices are {gaps.min():g} to {gaps.max():g} mm apart, expected one distance; "
            f"slices are missing near {heights[int(gaps.argmax())]:g} mm along its normal: fetch the series again."
        )


def stacked_affine(
    across_mm: np.ndarray, down_mm: np.ndarray, step_mm: np.ndarray, origin_mm: np.ndarray
) -> np.ndarray:
    """Return the affine (4, 4) whose columns are the steps along X, Y and Z, in the coordinates of its arguments."""
    affine = np.eye(4)
    affine[:3] = np.column_stack([across_mm, down_mm, step_mm, origin_mm])
    return affine
