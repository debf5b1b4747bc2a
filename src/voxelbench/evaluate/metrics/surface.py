"""Distance between the surfaces of two masks, in mm: HD95 and NSD, by MONAI.

If both masks are empty there is no value (NaN). If one is, the structure was missed or invented, and both metrics take
their worst value: NSD is 0, HD95 the diagonal of the volume. Left out instead, the hardest structures would drop out
of the mean, and a method that draws nothing where it is unsure would look better than one that tries.

What lies beyond the volume is background: a mask that touches the border has a surface there.
"""

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

from voxelbench.evaluate.metrics.boxes import bounding_box
from voxelbench.evaluate.metrics.guards import Spacing, known_spacing, require_masks

ORGAN_TOLERANCE_MM = 2.0
"""The tolerance of NSD where a recipe names none. source: ours"""

_PERCENTILE = 95


def hd95(prediction: np.ndarray, reference: np.ndarray, spacing_mm: Spacing | None) -> float:
    """Return the 95th percentile of the Hausdorff distance of two bool masks (X, Y, Z), in mm.

    The surface is the voxels of a mask with a face on the outside. For each surface: the 95th percentile (linear
    between ranks, every voxel counts once) of the distances from its voxels' centres to the nearest one of the other
    surface; HD95 is the larger of the two. `surface-distance` weighs by area and measures between corners of voxels:
    the two differ by less than a voxel's diagonal, unless a distant part is more than 5 % of the surface by one count
    and less by the other.
    """
    require_masks(prediction, reference)
    spacing = known_spacing(spacing_mm)
    if not (prediction.any() and reference.any()):
        return volume_diagonal_mm(prediction.shape, spacing) if prediction.any() or reference.any() else float("nan")
    pair = _around(prediction, reference)
    return float(compute_hausdorff_distance(*pair, include_background=True, percentile=_PERCENTILE, spacing=spacing))


def nsd(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: Spacing | None,
    tolerance_mm: float = ORGAN_TOLERANCE_MM,
) -> float:
    """Return the normalised surface distance (surface Dice) of two bool masks (X, Y, Z): 0 to 1.

    The share of the area of both surfaces that lies within `tolerance_mm` of the other one. The surface is that of
    `surface-distance` (a piece with its area for each corner where voxels of both kinds meet), not MONAI's default,
    which counts voxels whatever area they show: that was off by up to 0.3 for random masks in voxels of 0.5 to 5 mm.
    """
    require_masks(prediction, reference)
    spacing = known_spacing(spacing_mm)
    if not (prediction.any() and reference.any()):
        return 0.0 if prediction.any() or reference.any() else float("nan")
    pair = _around(prediction, reference)
    return float(
        compute_surface_dice(*pair, [tolerance_mm], include_background=True, spacing=spacing, use_subvoxels=True)
    )


def volume_diagonal_mm(shape: tuple[int, ...], spacing_mm: Spacing) -> float:
    """Return the diagonal of a volume: no distance inside it is longer.

    source: ours. On BraTS's volumes it is the 373.12866 mm that nnU-Net's evaluation of BraTS takes as penalty.
    """
    return float(np.linalg.norm(np.multiply(shape, spacing_mm)))


def _around(prediction: np.ndarray, reference: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut both masks to the box of their union, (1, 1, x, y, z); MONAI puts background around it."""
    box = bounding_box(prediction | reference)
    return torch.from_numpy(prediction[box])[None, None].float(), torch.from_numpy(reference[box])[None, None].float()
