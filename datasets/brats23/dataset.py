"""BraTS 2023 GLI in its native layout: reading it, and writing a synthetic twin of it."""

from pathlib import Path

from voxelbench.cards import DatasetCard
from voxelbench.data.brats_layout import SEG, BratsLayout
from voxelbench.data.phantom import ORIENTATIONS, case_rng, save_nifti
from voxelbench.data.phantom_brain import draw_glioma, draw_head, draw_tissue, mr_contrasts
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import draw_ids

TRAINING = "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData"

_NAMES_OF_2021 = {"t1n": "t1", "t1c": "t1ce", "t2w": "t2", "t2f": "flair"}


def _layout(card: DatasetCard) -> BratsLayout:
    return BratsLayout(prefix="BraTS-GLI-", separator="-", contrasts=card.channels)


def _patient(case_id: str) -> str:
    """Return the patient of `BraTS-GLI-NNNNN-TTT`: the last number counts the time points."""
    return case_id.rpartition("-")[0]


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every labelled time point; those of one patient stay together in a split."""
    prepare_cases(_layout(card).cases(raw, _patient), raw, out, card, grid)


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write a synthetic twin: skull-stripped brains with one glioma each."""
    assert card.twin is not None
    layout = _layout(card)
    candidates = (
        f"BraTS-GLI-{number:05d}-{visit:03d}" for number in range(1251) for visit in range(1 + (number % 4 == 0))
    )
    for index, (case_id, _) in enumerate(draw_ids(card, ((case_id, _patient(case_id)) for case_id in candidates))):
        rng = case_rng(card.name, case_id, card.twin.version)
        space = draw_head(rng, spacing_mm=3.3)
        tissue = draw_tissue(space, rng)
        glioma = draw_glioma(space, tissue, rng)
        drawn = mr_contrasts(space, tissue, glioma, rng)
        volumes = {**{contrast: drawn[_NAMES_OF_2021[contrast]] for contrast in card.channels}, SEG: glioma}
        for contrast, volume in volumes.items():
            file = layout.file(raw / TRAINING / case_id, contrast)
            save_nifti(file, volume, space.spacing_mm, ORIENTATIONS[index % len(ORIENTATIONS)])
