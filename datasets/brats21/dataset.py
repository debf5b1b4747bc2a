"""BraTS 2021 in its native layout: reading it, and writing a synthetic twin of it."""

import json
from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.brats_layout import SEG, BratsLayout
from voxelbench.data.phantom import MARK, ORIENTATIONS, case_rng, save_nifti
from voxelbench.data.phantom_brain import draw_glioma, draw_head, draw_tissue, mr_contrasts
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import Listed, draw_ids, part_of, write_supplied
from voxelbench.errors import DataError

FOLDS, SPLIT = "brats21_folds.json", "swin_unetr_5fold"
TRAINING = "TrainingData"

_LABELS = np.array([0, 1, 2, 4], np.uint8)
"""From the classes of `Glioma`, numbered as in 2023, to the values of 2021."""


def _layout(card: DatasetCard) -> BratsLayout:
    return BratsLayout(prefix="BraTS2021_", separator="_", contrasts=card.channels)


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every labelled case; a case is a patient. Raises DataError if a case of the fold file is not there."""
    cases = _layout(card).cases(raw, patient_of=str)
    found = {case.case_id for case in cases}
    folds = {case_id: fold for path in sorted(raw.rglob(FOLDS)) for case_id, fold in read_folds(path, found)}
    write_supplied(out, _split(folds))
    prepare_cases(cases, raw, out, card, grid)


def read_folds(path: Path, found: set[str]) -> list[tuple[str, int]]:
    """Return every listed case with the fold that tests it. Raises DataError for one that is not in `found`."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["training"]
        listed = [(Path(entry["label"]), entry["fold"]) for entry in entries]
        if not all(isinstance(fold, int) and fold >= 0 for _, fold in listed):
            raise ValueError("a fold is no whole number")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(
            f'{path}: expected JSON with "training": [{{"fold": ..., "label": ...}}]; fetch it again or remove it.'
        ) from None
    for label, _ in listed:
        if label.parent.name not in found:
            raise DataError(
                f"{path}: lists label {label}, but no folder {label.parent.name} is there; "
                "restore it from the archive or take it off the list."
            )
    return [(label.parent.name, fold) for label, fold in listed]


def _split(folds: dict[str, int]) -> Listed:
    """Return each fold's parts: the cases of its number test, all others train."""
    return {
        (SPLIT, number): {case_id: "test" if fold == number else "train" for case_id, fold in folds.items()}
        for number in set(folds.values())
    }


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write a synthetic twin: skull-stripped brains with one glioma each, and the fold file with its usual keys."""
    assert card.twin is not None
    layout = _layout(card)
    listed = []
    for index, (case_id, _) in enumerate(draw_ids(card, ((f"BraTS2021_{n:05d}",) * 2 for n in range(1666)))):
        rng = case_rng(card.name, case_id, card.twin.version)
        space = draw_head(rng, spacing_mm=3.3)
        tissue = draw_tissue(space, rng)
        glioma = draw_glioma(space, tissue, rng)
        volumes = {**mr_contrasts(space, tissue, glioma, rng), SEG: _LABELS[glioma]}
        for contrast, volume in volumes.items():
            file = layout.file(raw / TRAINING / case_id, contrast)
            save_nifti(file, volume, space.spacing_mm, ORIENTATIONS[index % len(ORIENTATIONS)])
        listed.append(_fold_entry(layout, case_id, card))
    folds = {"name": f"{MARK} {card.title}", "training": listed}
    (raw / FOLDS).write_text(json.dumps(folds, indent=1) + "\n", encoding="utf-8")


def _fold_entry(layout: BratsLayout, case_id: str, card: DatasetCard) -> dict[str, object]:
    split = card.default_split
    tested = (part_of(card, split, fold, case_id, case_id, {}) == "test" for fold in range(card.splits[split].n_folds))
    folder = Path(TRAINING) / case_id
    return {
        "fold": list(tested).index(True),
        "image": [layout.file(folder, contrast).as_posix() for contrast in layout.contrasts],
        "label": layout.file(folder, SEG).as_posix(),
    }
