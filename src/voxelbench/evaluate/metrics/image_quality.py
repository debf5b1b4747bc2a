"""Image quality inside a mask: PSNR, SSIM and NRMSE, computed by scikit-image. Imports no torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from voxelbench.data.cache import Box
from voxelbench.errors import DataError
from voxelbench.evaluate.metrics.boxes import bounding_box
from voxelbench.evaluate.metrics.guards import require_finite


@dataclass(frozen=True)
class Window:
    """The neighbourhood in which SSIM compares two volumes: its width in voxels, and what scikit-image calls it."""

    width: int
    options: dict[str, Any]


UNIFORM = Window(7, {"win_size": 7})
"""7 x 7 x 7 voxels of equal weight, sample covariance: scikit-image's default, as S2DC uses it."""

GAUSSIAN = Window(11, {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False})
"""Sigma 1.5 voxels, cut at 3.5 sigma: 11 x 11 x 11, population covariance (Wang et al. 2004, in 3D)."""


def quality(
    prediction: np.ndarray, target: np.ndarray, mask: np.ndarray, data_range: float, window: Window = UNIFORM
) -> dict[str, float]:
    """Return PSNR (dB), SSIM and NRMSE of (X, Y, Z) over the mask.

    Raises DataError if the mask is empty, a value is not finite or `data_range` not positive.
    """
    if not mask.any():
        raise DataError("a test case has no voxel to score: its mask is empty; check its volume and `body_threshold`.")
    if not data_range > 0:
        raise DataError(f"the data range is {data_range}, expected more than 0; is the target constant in its mask?")
    require_finite(prediction, "prediction")
    require_finite(target, "target")
    return {
        "psnr": psnr(prediction, target, mask, data_range),
        "ssim": ssim(prediction, target, mask, data_range, window),
        "nrmse": nrmse(prediction, target, mask),
    }


def psnr(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray, data_range: float) -> float:
    """Return 10 log10(data_range^2 / MSE) in dB, MSE over the mask; infinite where nothing differs."""
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(target[mask], prediction[mask], data_range=data_range))


def nrmse(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> float:
    """Return RMSE / (max - min of the target), both over the mask; NaN for a target that is constant there."""
    truth = target[mask]
    spread = float(truth.max() - truth.min())
    return float(np.sqrt(mean_squared_error(truth, prediction[mask])) / spread) if spread else float("nan")


def ssim(
    prediction: np.ndarray, target: np.ndarray, mask: np.ndarray, data_range: float, window: Window = UNIFORM
) -> float:
    """Return the mean over the mask of the local structural similarity of (X, Y, Z).

    At a voxel, with the window's weighted means m, variances v and covariance c of prediction p and target t,
    C1 = (0.01 data_range)^2 and C2 = (0.03 data_range)^2:
    (2 m_p m_t + C1) (2 c + C2) / ((m_p^2 + m_t^2 + C1) (v_p + v_t + C2)).
    A window may reach beyond the mask; beyond the volume, the volume is mirrored.

    Raises DataError if the volume is thinner than the window.
    """
    if min(mask.shape) < window.width:
        raise DataError(
            f"a volume of {mask.shape} voxels is thinner than the window of SSIM ({window.width}); leave SSIM out, "
            "or prepare the dataset on a finer grid."
        )
    box = _surroundings(mask, window.width)
    _, local = structural_similarity(target[box], prediction[box], data_range=data_range, full=True, **window.options)
    return float(local[mask[box]].mean())


def _surroundings(mask: np.ndarray, width: int) -> Box:
    """Return a box that holds every window about a voxel of the mask (beyond it no score changes), and fits one window.

    A mask in a corner of the volume has less than a window around it; then the box reaches further in.
    """
    box = bounding_box(mask, width // 2)
    is_thin = any(side.stop - side.start < width for side in box)
    return bounding_box(mask, width - 1) if is_thin else box
