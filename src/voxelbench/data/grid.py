"""Grids: `native`, or a spacing in mm. Volumes come out in RAS orientation, in physical units."""

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to
from nibabel.spaces import vox2out_vox

from voxelbench.errors import ConfigError

NATIVE = "native"


def grid_name(grid: str | float) -> str:
    """Return the name that paths carry: "native" or, say, "6mm"."""
    return NATIVE if grid == NATIVE else f"{float(grid):g}mm"


def parse_grid(name: str) -> str | float:
    """Read a grid as given on the command line: "native", "6" or "6mm". Raises ConfigError otherwise."""
    if name == NATIVE:
        return NATIVE
    try:
        spacing = float(name.removesuffix("mm"))
    except ValueError:
        spacing = 0.0
    if not spacing > 0:
        raise ConfigError(f"grid '{name}': expected 'native' or a spacing in mm above 0, such as 1.5.")
    return spacing


def to_grid(volume: np.ndarray, affine: np.ndarray, grid: str | float, is_label: bool) -> tuple[np.ndarray, np.ndarray]:
    """Turn (X, Y, Z) to RAS and, unless the grid is native, resample it: linearly, or to the nearest for a label.

    No smoothing before downsampling, as in the released pipelines (MONAI Spacing).
    """
    image = nib.Nifti1Image(volume, affine)
    if grid == NATIVE:
        canonical = nib.as_closest_canonical(image)
        return np.ascontiguousarray(canonical.dataobj), np.asarray(canonical.affine)
    target = vox2out_vox(image, (float(grid),) * 3)
    # The edge value, not zero, lies beyond the field of view: 0 HU is soft tissue.
    resampled = resample_from_to(image, target, order=0 if is_label else 1, mode="nearest")
    return np.ascontiguousarray(resampled.dataobj), np.asarray(target[1])


def onto(volume: np.ndarray, affine: np.ndarray, shape: Sequence[int], target: np.ndarray) -> np.ndarray:
    """Return (X, Y, Z) as seen by another grid of that shape and affine: linearly, its edge repeated beyond it."""
    return np.asarray(
        resample_from_to(nib.Nifti1Image(volume, affine), (shape, target), order=1, mode="nearest").dataobj
    )
