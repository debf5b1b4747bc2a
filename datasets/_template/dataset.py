"""A dataset to start from: images/<case>.nii.gz with labels/<case>.nii.gz."""

from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.phantom import ORIENTATIONS, Space, case_rng, save_nifti
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import draw_ids
from voxelbench.errors import DataError

_SUFFIX = ".nii.gz"


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every volume. Cases are found by the layout of the real set, never by a list of our own."""
    images = sorted((raw / "images").glob(f"[!.]*{_SUFFIX}"))
    prepare_cases([_case(image, raw / "labels" / image.name) for image in images], raw, out, card, grid)


def _case(image: Path, label: Path) -> NativeCase:
    if not label.is_file():
        raise DataError(f"{image}: its label {label} is missing; restore it, or remove the volume.")
    name = image.name.removesuffix(_SUFFIX)
    return NativeCase(case_id=name, patient_id=name, channels=(image,), label=label)


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write the native layout, tiny and synthetic: a dense ball in soft tissue, in another place each time."""
    assert card.twin is not None
    candidates = ((f"case_{number:03d}", f"case_{number:03d}") for number in range(1000))
    for index, (case_id, _) in enumerate(draw_ids(card, candidates)):
        rng = case_rng(card.name, case_id, card.twin.version)
        space = Space.draw((48, 40, 24), (5.0, 5.0, 8.0), rng)
        organ = space.ellipsoid(rng.uniform(-50, 50, 3), rng.uniform(20, 40, 3))
        volume = np.where(organ, 80, 20) + 20 * rng.standard_normal(space.shape)
        orientation = ORIENTATIONS[index % len(ORIENTATIONS)]
        save_nifti(raw / "images" / f"{case_id}{_SUFFIX}", volume.astype(np.int16), space.spacing_mm, orientation)
        save_nifti(raw / "labels" / f"{case_id}{_SUFFIX}", organ.astype(np.uint8), space.spacing_mm, orientation)
