"""Overlap of two masks: Dice, and the volume of the structures that were invented or missed as a whole."""

import numpy as np
import torch
from monai.metrics import compute_dice
from scipy.ndimage import generate_binary_structure, label

from voxelbench.evaluate.metrics.boxes import bounding_box
from voxelbench.evaluate.metrics.guards import Spacing, known_spacing, require_masks

# 18 neighbours: voxels that share a face or an edge. source: lab-midas/autoPET, val_script.py
_NEIGHBOURS = generate_binary_structure(3, 2)


def dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Return 2 |P and R| / (|P| + |R|) of two bool masks (X, Y, Z), by MONAI.

    If one mask is empty, it is 0: a structure that was missed or invented counts as a failure. If both are, it is NaN,
    no value: a class that is not there says nothing about how well it was found (see `masks`).
    """
    require_masks(prediction, reference)
    if not (prediction.any() or reference.any()):
        return float("nan")
    box = bounding_box(prediction | reference)
    pair = (torch.from_numpy(mask[box])[None, None].float() for mask in (prediction, reference))
    return float(compute_dice(*pair, ignore_empty=False))


def false_positive_ml(prediction: np.ndarray, reference: np.ndarray, spacing_mm: Spacing | None) -> float:
    """Return the volume in ml of the components of the prediction that hold no voxel of the reference.

    As AutoPET defines it: a component that touches a lesion with one voxel is no false positive, however far it
    reaches. Components are connected through faces and edges.
    """
    require_masks(prediction, reference)
    voxel_ml = float(np.prod(known_spacing(spacing_mm))) / 1000.0
    return _untouched_voxels(prediction, reference) * voxel_ml


def false_negative_ml(prediction: np.ndarray, reference: np.ndarray, spacing_mm: Spacing | None) -> float:
    """Return the volume in ml of the components of the reference that hold no voxel of the prediction."""
    return false_positive_ml(reference, prediction, spacing_mm)


def _untouched_voxels(mask: np.ndarray, other: np.ndarray) -> int:
    """Count the voxels of the components of `mask` that share no voxel with `other`."""
    if not mask.any():
        return 0
    box = bounding_box(mask)
    components, _ = label(mask[box], _NEIGHBOURS)
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    sizes[np.unique(components[other[box]])] = 0
    return int(sizes.sum())
