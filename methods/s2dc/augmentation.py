"""The two augmented views of S2DC: parameters are drawn with numpy, applied to whole batches with torch.

Matrices (4, 4) map a voxel position of the output to one of the input, both in voxels from the centre, axes X, Y, Z:
the convention of MONAI's `Affine`.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from voxelbench.validation import Strict

# The released pipeline is rebuilt, and so seeded with the same global seed 20, for each crop: MONAI then draws these
# numbers in -1..1 every time, and only the ranges they multiply vary (Pretrain/utils/data_utils.py).
_FROZEN_SHIFT = (-0.9485169080989433, -0.6260877912689935)
_FROZEN_TILT = (-0.5849754433033043, -0.4686734331126643)
_FROZEN_SCALE = (-0.6547761184641005, 0.3091108894354238, -0.9944272316891691)


class VolumeAffineRange(Strict):
    """Ranges of the affine map of a whole volume, in its plane; the scale holds for all three axes."""

    shift_voxels: int = Field(ge=0)
    angle_degrees: int = Field(ge=0)
    scale: tuple[float, float]


class CropAffineRange(Strict):
    """Ranges of the affine map of one crop: shift in X and Y, tilt about X and Y, scale around 1."""

    shift_voxels: int = Field(ge=0)
    tilt_degrees: int = Field(ge=0)
    scale_jitter: float = Field(ge=0, lt=1)


class IntensityShift(Strict):
    """A constant in -offset..offset that is added to a crop with some probability."""

    offset: float = Field(ge=0)
    probability: float = Field(ge=0, le=1)


class VolumeAffine(NamedTuple):
    """One draw of `VolumeAffineRange`."""

    shift: tuple[float, float]
    angle_degrees: float
    scale: float

    def image_matrix(self) -> np.ndarray:
        """Return T(t) R S (4, 4), by which the volume is resampled."""
        return translation(self.shift) @ plane_rotation(self.angle_degrees) @ scaling(self.scale)


Mode = Literal["upstream_frozen", "intended"]


def draw_volume_affine(limits: VolumeAffineRange, rng: np.random.RandomState) -> VolumeAffine:
    """Draw whole voxels of shift, a whole angle and a scale, each uniform in its range, ends included."""
    shift_x, shift_y = rng.randint(-limits.shift_voxels, limits.shift_voxels + 1, 2)
    angle = rng.randint(-limits.angle_degrees, limits.angle_degrees + 1)
    return VolumeAffine((float(shift_x), float(shift_y)), float(angle), float(rng.uniform(*limits.scale)))


def draw_crop_affine(limits: CropAffineRange, mode: Mode, rng: np.random.RandomState) -> np.ndarray:
    """Draw a matrix (4, 4): ranges first, then a position within them, which `upstream_frozen` holds fixed.

    As released the scale range lies around 1 where MONAI expects it around 0, so that the depth scale is 0.0056:
    the crop is almost one slice repeated. `intended` scales X and Y by 1 - scale_jitter to 1 + scale_jitter.
    """
    shift_range = rng.randint(-limits.shift_voxels, limits.shift_voxels + 1, 2)
    tilt_range = np.deg2rad(rng.randint(-limits.tilt_degrees, limits.tilt_degrees + 1, 2))
    near_one = np.append(rng.uniform(1 - limits.scale_jitter, 1 + limits.scale_jitter, 2), 1.0)
    if mode == "upstream_frozen":
        return crop_matrix(shift_range * _FROZEN_SHIFT, tilt_range * _FROZEN_TILT, 1 + near_one * _FROZEN_SCALE)
    return crop_matrix(shift_range * rng.uniform(-1, 1, 2), tilt_range * rng.uniform(-1, 1, 2), near_one)


def draw_intensity_shifts(limits: IntensityShift, mode: Mode, n_crops: int, rng: np.random.RandomState) -> np.ndarray:
    """Draw one constant a crop, float32 (n_crops,); as released none is ever shifted."""
    shifts = rng.uniform(-limits.offset, limits.offset, n_crops)
    happens = rng.uniform(size=n_crops) < limits.probability
    return np.where(happens & (mode == "intended"), shifts, 0.0).astype(np.float32)


def crop_matrix(shift: np.ndarray, tilt: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return R_x R_y T S (4, 4); `tilt` holds radians about X and Y."""
    (sin_x, sin_y), (cos_x, cos_y) = np.sin(tilt), np.cos(tilt)
    about_x, about_y = np.eye(4), np.eye(4)
    about_x[1:3, 1:3] = (cos_x, -sin_x), (sin_x, cos_x)
    about_y[0:3:2, 0:3:2] = (cos_y, sin_y), (-sin_y, cos_y)
    return about_x @ about_y @ translation(shift) @ scaling(scale)


def translation(shift: tuple[float, float] | np.ndarray) -> np.ndarray:
    """Return the matrix (4, 4) of a shift in X and Y."""
    matrix = np.eye(4)
    matrix[:2, 3] = shift
    return matrix


def plane_rotation(degrees: float) -> np.ndarray:
    """Return the matrix (4, 4) of a rotation in the plane, [[cos, sin], [-sin, cos]] as released."""
    radians = np.deg2rad(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = (np.cos(radians), np.sin(radians)), (-np.sin(radians), np.cos(radians))
    return matrix


def scaling(factors: float | np.ndarray) -> np.ndarray:
    """Return the matrix (4, 4) of a scaling by one factor, or by one an axis."""
    return np.diag((*np.broadcast_to(factors, 3), 1.0))


def resample(volumes: Tensor, matrices: Tensor) -> Tensor:
    """Resample (B, C, X, Y, Z) by one matrix (4, 4) each: trilinear, zeros outside."""
    half = torch.tensor(volumes.shape[2:], dtype=matrices.dtype, device=matrices.device) / 2
    linear = matrices[:, :3, :3] * half / half[:, None]  # from voxels to grid_sample's -1..1
    offset = matrices[:, :3, 3] / half
    theta = torch.cat([linear.flip(1, 2), offset.flip(1)[:, :, None]], 2)  # grid_sample counts axes Z, Y, X
    grid = functional.affine_grid(theta.to(volumes.dtype), list(volumes.shape), align_corners=False)
    return functional.grid_sample(volumes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
