"""The score of a translation as S2DC's released test takes it, to compare with its numbers. Imports no torch.

It flatters: outside of the target's own mask the target is copied into the prediction, and the prediction is
standardised again before. A table shows it as a flagged column, beside the score inside a mask made from the input.
"""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from voxelbench.errors import DataError
from voxelbench.evaluate.metrics.guards import require_finite

_FOREGROUND = -0.35  # source: S2DC code, Downstream/RECON: z-scores of a brain; what lies below is background


def upstream_quality(predictions: np.ndarray, targets: np.ndarray) -> list[dict[str, float]]:
    """Return PSNR (dB) and SSIM of each contrast, of (C, X, Y, Z), in the order of the contrasts.

    `targets` are z-scores of whole volumes, background included. All contrasts of the prediction are standardised
    together; where a target is below -0.35 it takes the prediction's place; SSIM (7 x 7 x 7 windows of equal weight)
    and PSNR are means over the whole volume, whose data range is the larger of the two ranges, after the copy.

    Raises DataError if a value is not finite, or a target and its prediction are constant.
    """
    require_finite(predictions, "prediction")
    require_finite(targets, "target")
    # As MONAI normalises: a constant is shifted to 0 and not scaled.
    standardised = (predictions - predictions.mean()) / (predictions.std() or 1.0)
    return [
        _copied_score(np.where(target >= _FOREGROUND, prediction, target), target)
        for prediction, target in zip(standardised, targets, strict=True)
    ]


def _copied_score(image: np.ndarray, target: np.ndarray) -> dict[str, float]:
    data_range = float(max(np.ptp(image), np.ptp(target)))
    if not data_range:
        raise DataError("a target and its prediction are one constant, expected an image; check the volume.")
    with np.errstate(divide="ignore"):
        return {
            "psnr": float(peak_signal_noise_ratio(target, image, data_range=data_range)),
            "ssim": float(structural_similarity(target, image, data_range=data_range)),
        }
