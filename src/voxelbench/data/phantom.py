"""Primitives of synthetic anatomy: shapes in mm on any grid, texture, blur, and NIfTI files that say PHANTOM.

A twin draws its anatomy here and writes it in the *native* layout of its dataset; see `datasets/*/dataset.py`.
All functions take the random state that they draw from.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike
from scipy import fft, ndimage

MARK = "PHANTOM"


def case_rng(dataset: str, case_id: str, version: int) -> np.random.RandomState:
    """Return the random state of one synthetic case: a function of dataset, case and twin version alone."""
    digest = hashlib.sha256(f"{dataset}/{case_id}/{version}".encode()).digest()
    return np.random.RandomState(int.from_bytes(digest[:4], "little"))


@dataclass(frozen=True)
class Space:
    """A grid of voxel centres in mm, (X, Y, Z) RAS, with the origin in the middle."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    warp_mm: np.ndarray
    """Displacement field (3, X, Y, Z): where a voxel looks up the anatomy, relative to where it is."""

    @classmethod
    def draw(
        cls,
        shape: Sequence[int],
        spacing_mm: Sequence[float],
        rng: np.random.RandomState,
        elastic_mm: float = 6.0,
        smooth_mm: float = 40.0,
        size_sd: float = 0.0,
        shift_sd_mm: ArrayLike = 0.0,
    ) -> "Space":
        """Draw a smooth elastic displacement and, along each axis, a size and a place of the body.

        `elastic_mm`, `size_sd` (relative) and `shift_sd_mm` are standard deviations.
        """
        x, y, z = shape
        warp = np.stack([smooth_noise((x, y, z), spacing_mm, smooth_mm, rng) * elastic_mm for _ in range(3)])
        if size_sd > 0:
            warp += (np.exp(-size_sd * rng.standard_normal((3, 1, 1, 1))) - 1.0) * _centres(shape, spacing_mm)
        if np.any(shift_sd_mm):
            warp += (np.asarray(shift_sd_mm, float) * rng.standard_normal(3)).reshape(3, 1, 1, 1)
        return cls((x, y, z), tuple(float(value) for value in spacing_mm), warp)  # type: ignore[arg-type]

    def points(self) -> np.ndarray:
        """Return coordinates (3, X, Y, Z) in mm, displaced. Read-only."""
        return self._points

    @cached_property
    def _points(self) -> np.ndarray:
        points = _centres(self.shape, self.spacing_mm) + self.warp_mm
        points.flags.writeable = False
        return points

    def ellipsoid(self, centre_mm: ArrayLike, radii_mm: ArrayLike, angle_rad: float = 0.0) -> np.ndarray:
        """Return the mask (X, Y, Z) of an ellipsoid, turned by `angle_rad` in the axial plane."""
        centre, (a, b, c) = np.asarray(centre_mm, float), np.asarray(radii_mm, float)
        reach = np.array((max(a, b), max(a, b), c))
        near = self._near(centre - reach, centre + reach)
        x, y, z = self._points[(slice(None), *near)] - centre.reshape(3, 1, 1, 1)
        cos, sin = np.cos(angle_rad), np.sin(angle_rad)
        mask = np.zeros(self.shape, bool)
        mask[near] = ((x * cos + y * sin) / a) ** 2 + ((y * cos - x * sin) / b) ** 2 + (z / c) ** 2 <= 1.0
        return mask

    def tube(self, path_mm: ArrayLike, radius_mm: float) -> np.ndarray:
        """Return the mask (X, Y, Z) of all points within `radius_mm` of a polyline."""
        mask = np.zeros(self.shape, bool)
        for start, end in pairwise(np.asarray(path_mm, float)):
            near = self._near(np.minimum(start, end) - radius_mm, np.maximum(start, end) + radius_mm)
            points = self._points[(slice(None), *near)] - start.reshape(3, 1, 1, 1)
            along = (end - start).reshape(3, 1, 1, 1)
            share = np.clip((points * along).sum(0) / max(float((along**2).sum()), 1e-9), 0.0, 1.0)
            mask[near] |= ((points - share * along) ** 2).sum(0) <= radius_mm**2
        return mask

    def _near(self, low_mm: np.ndarray, high_mm: np.ndarray) -> tuple[slice, slice, slice]:
        """Return the box of voxels that may look up anatomy between two corners, so that small shapes cost little."""
        reach = self._reach_mm
        axes = zip(self.shape, self.spacing_mm, low_mm - reach, high_mm + reach, strict=True)
        bounds = [np.clip(np.array((low, high)) / step + (n - 1) / 2, -1, n) for n, step, low, high in axes]
        x, y, z = (slice(max(int(np.ceil(low)), 0), int(np.floor(high)) + 1) for low, high in bounds)
        return x, y, z

    @cached_property
    def _reach_mm(self) -> np.ndarray:
        return np.abs(self.warp_mm).max(axis=(1, 2, 3))


def _centres(shape: Sequence[int], spacing_mm: Sequence[float]) -> np.ndarray:
    """Return coordinates (3, X, Y, Z) of voxel centres in mm about the middle of the grid."""
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing_mm, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def smooth_noise(
    shape: Sequence[int], spacing_mm: Sequence[float], smooth_mm: float, rng: np.random.RandomState
) -> np.ndarray:
    """Return a smooth random field (X, Y, Z) with mean about 0 and standard deviation 1."""
    sigma = [smooth_mm / step for step in spacing_mm]
    # In the Fourier domain the cost does not grow with the width of the kernel.
    spectrum = ndimage.fourier_gaussian(fft.rfftn(rng.standard_normal(tuple(shape))), sigma, n=shape[-1])
    field = fft.irfftn(spectrum, tuple(shape))
    return (field - field.mean()) / (field.std() + 1e-12)


def blur(volume: np.ndarray, spacing_mm: Sequence[float], fwhm_mm: float) -> np.ndarray:
    """Blur with a Gaussian point spread of the given full width at half maximum."""
    sigma = fwhm_mm / 2.3548
    return ndimage.gaussian_filter(volume, [sigma / step for step in spacing_mm])


ORIENTATIONS = ("RAS", "LPS", "LAS", "LPI")
"""Axis codes that twins use in turn, so that orientation code is tested on every dataset."""


def save_nifti(path: Path, volume: np.ndarray, spacing_mm: Sequence[float], orientation: str = "RAS") -> None:
    """Write a volume that was drawn in RAS as NIfTI in another orientation, with PHANTOM in the header.

    Equal input gives equal bytes.

    Args:
        path: the file; its folder is made.
        volume: (X, Y, Z), axes to the right, anterior and superior.
        spacing_mm: distance of voxel centres along the three axes of `volume`.
        orientation: axis codes of the file, e.g. "LPS"; the world coordinates of every voxel stay what they are.
    """
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * step for n, step in zip(volume.shape, spacing_mm, strict=True)]
    image = nib.Nifti1Image(volume, affine)
    turn = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(orientation))
    turned = image.as_reoriented(turn)
    turned.header["descrip"] = MARK
    turned.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(turned, path)
