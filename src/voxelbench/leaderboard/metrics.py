"""The unit of each metric on the leaderboard: as papers print them, shares times 100, distances in mm, PSNR in dB."""

import math
import re
from typing import NamedTuple


class Metric(NamedTuple):
    """What a metric is multiplied by, its unit then, and the values that it can take then."""

    scale: float
    unit: str
    low: float
    high: float


_SHARE = Metric(100, "%", 0, 100)
_SIMILARITY = Metric(100, "x 100", -100, 100)
_ERROR = Metric(100, "x 100", 0, math.inf)
_MM = Metric(1, "mm", 0, math.inf)
_DB = Metric(1, "dB", -math.inf, math.inf)
_ML = Metric(1, "ml", 0, math.inf)
_COUNT = Metric(1, "", 0, math.inf)

METRICS = {
    **dict.fromkeys(("dice", "dice_with_lesion", "nsd", "missed", "spurious", "absent"), _SHARE),
    **dict.fromkeys(("accuracy", "balanced_accuracy", "auc", "ece", "knn_accuracy", "token_auc"), _SHARE),
    "hd95": _MM,
    "hd": _MM,
    **dict.fromkeys(("false_positive_ml", "false_negative_ml"), _ML),
    "absent_classes": _COUNT,
    "ssim": _SIMILARITY,
    "psnr": _DB,
    "nrmse": _ERROR,
    "mse": _ERROR,
    "average": _SHARE,
}
"""`hd` is only ever published, and `average` is the mean over datasets."""

_FLAGGED = re.compile("_(identity|upstream)$")


def metric(name: str) -> Metric | None:
    """Return the unit of a metric, `*_identity` and `*_upstream` as their own; None if there is none of that name."""
    return METRICS.get(_FLAGGED.sub("", name))
