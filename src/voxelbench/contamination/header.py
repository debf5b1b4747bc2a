"""Identity by header: whose scan it is, and on which grid it was made."""

import re

import numpy as np

from voxelbench.cards import DatasetCard

_SAME_MM = 1e-3


def patient_key(card: DatasetCard, patient_id: str) -> str:
    """Return a name of the patient that is equal in all datasets of the card's cohort.

    A dataset without a cohort, or an id that its pattern does not fit, shares patients with no other dataset.
    """
    found = re.fullmatch(card.cohort.patient, patient_id) if card.cohort else None
    if card.cohort is None or found is None:
        return f"{card.name}:{patient_id}"
    return f"{card.cohort.name}:{found[1]}"


def same_grid(shape: tuple[int, ...], affine: np.ndarray, other_shape: tuple[int, ...], other: np.ndarray) -> bool:
    """Whether two scans have the same native shape and, to a micrometre, the same affine.

    Weak evidence: whole datasets share one grid (BraTS), so a grid alone never makes two scans the same.
    """
    return shape == other_shape and bool(np.allclose(affine, other, rtol=0, atol=_SAME_MM))
