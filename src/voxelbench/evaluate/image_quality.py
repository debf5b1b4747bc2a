"""Image quality inside a mask: PSNR, SSIM and NRMSE, computed by scikit-image."""

import numpy as np
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from voxelbench.errors import DataError

_SSIM_WINDOW = 7


def quality(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray, data_range: float) -> dict[str, float]:
    """Return PSNR (dB), SSIM and NRMSE of (X, Y, Z) over the mask.

    SSIM is the mean over the mask of the local map (7 x 7 x 7 windows, uniform); NRMSE is the root mean squared error
    divided by the range of the target in the mask.

    Raises DataError if the mask is empty.
    """
    if not mask.any():
        raise DataError("a test case has no voxel to score: its mask is empty; check its volume and `body_threshold`.")
    box = _surroundings(mask)
    prediction, target, mask = prediction[box], target[box], mask[box]
    inside, truth = prediction[mask], target[mask]
    _, local = structural_similarity(target, prediction, win_size=_SSIM_WINDOW, data_range=data_range, full=True)
    spread = float(truth.max() - truth.min())
    return {
        "psnr": float(peak_signal_noise_ratio(truth, inside, data_range=data_range)),
        "ssim": float(local[mask].mean()),
        "nrmse": float(np.sqrt(mean_squared_error(truth, inside)) / spread) if spread else float("nan"),
    }


def _surroundings(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the box that holds every window about a voxel of the mask: what lies beyond it changes no score."""
    margin = _SSIM_WINDOW // 2
    extents = [np.flatnonzero(mask.any(tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    return tuple(slice(max(0, int(found[0]) - margin), int(found[-1]) + margin + 1) for found in extents)
