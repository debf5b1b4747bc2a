"""The spatial augmentation of GVSL: one affine matrix and one elastic flow, drawn with numpy, applied with torch.

Sizes and axes are those of the arrays, D, H, W.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from voxelbench.validation import Strict

from .matrices import affine_matrix
from .separable import filter_axes, gaussian_matrix


class SpatialRange(Strict):
    """Ranges of the draws; all but the elastic ones are symmetric, scales around 1.

    `translation` is a share of each axis' length. The elastic flow is noise in -1..1, smoothed with a Gaussian of
    `elastic_sigma` voxels and multiplied by `elastic_amplitude` voxels.
    """

    angle_degrees: float = Field(ge=0)
    scale: float = Field(ge=0, lt=1)
    shear_degrees: float = Field(ge=0, lt=45)
    translation: float = Field(ge=0)
    elastic_amplitude: tuple[float, float]
    elastic_sigma: tuple[float, float]


class SpatialDraw(NamedTuple):
    """One draw: an affine matrix (3, 4), and the amplitude and sigma of the elastic flow, both in voxels."""

    matrix: np.ndarray
    amplitude: float
    sigma: float


def draw_spatial(limits: SpatialRange, size: Sequence[int], rng: np.random.RandomState) -> SpatialDraw:
    """Draw three angles, three scales, six shears, a translation along each axis, amplitude and sigma, in order."""
    angle, shear = np.deg2rad(limits.angle_degrees), np.deg2rad(limits.shear_degrees)
    reach = limits.translation * np.array(size)
    drawn = (
        rng.uniform(-angle, angle, 3),
        rng.uniform(1 - limits.scale, 1 + limits.scale, 3),
        rng.uniform(-shear, shear, 6),
        rng.uniform(-reach, reach),
    )
    matrix = affine_matrix(*(torch.from_numpy(values)[None] for values in drawn))[0].numpy().astype(np.float32)
    return SpatialDraw(matrix, rng.uniform(*limits.elastic_amplitude), rng.uniform(*limits.elastic_sigma))


def draw_noise(size: Sequence[int], rng: np.random.RandomState) -> np.ndarray:
    """Draw uniform noise in -1..1, float32 (3, *size)."""
    return (2 * rng.random_sample((3, *size)) - 1).astype(np.float32)


def elastic_offsets(noise: Tensor, amplitude: Tensor, sigma: Tensor) -> Tensor:
    """Return amplitude times G_σ * noise (B, 3, D, H, W), in voxels; amplitude and σ are (B,).

    Noise is zero outside, so that offsets are smaller near borders: everywhere in a crop of a few σ.
    """
    kernels = [gaussian_matrix(length, sigma).to(noise.dtype) for length in noise.shape[2:]]
    return amplitude.to(noise.dtype)[:, None, None, None, None] * filter_axes(noise, kernels)


def elastic_flow(noise: Tensor, amplitude: Tensor, sigma: Tensor, *, is_centred: bool) -> Tensor:
    """Return the flow (B, 3, D, H, W): the elastic offsets, and unless centred half a voxel on axes of even length.

    The released code measures from the centre S // 2 where the volume's is (S - 1) / 2.
    """
    offsets = elastic_offsets(noise, amplitude, sigma)
    if is_centred:
        return offsets
    aside = [length // 2 - (length - 1) / 2 for length in noise.shape[2:]]
    return offsets + offsets.new_tensor(aside)[:, None, None, None]
