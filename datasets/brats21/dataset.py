"""BraTS 2021 in its native layout: reading it, and writing a synthetic twin of it."""

import json
from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.brats_layout import SEG, BratsLayout
from voxelbench.data.phantom import MARK, ORIENTATIONS, case_rng, save_nifti
from voxelbench.data.phantom_brain import draw_glioma, draw_head, draw_tissue, mr_contrasts
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import draw_ids, part_of
from voxelbench.errors import DataError

FOLDS = "brats21_folds.json"
TRAINING = "TrainingData"

_LABELS = np.array([0, 1, 2, 4], np.uint8)
"""From the classes of `Glioma`, numbered as in 2023, to the values of 2021."""


def _layout(card: DatasetCard) -> BratsLayout:
    return BratsLayout(prefix="BraTS2021_", separator="_", contrasts=card.channels)


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every labelled case; a case is a patient. Raises DataError if a case of the fold file is not there."""
    cases = _layout(card).cases(raw, patient_of=str)
    found = {case.case_id for case in cases}
    for folds in sorted(raw.rglob(FOLDS)):
        _check_listed(folds, found)
    prepare_cases(cases, raw, out, card, grid)


def _check_listed(folds: Path, found: set[str]) -> None:
    for image, label in _read_folds(folds):
        if label.parent.name not in found:
            raise DataError(
                f"{folds}: lists {image} with label {label}, but no folder {label.parent.name} is there; "
                "restore it from the archive or take it off the list."
            )


def _read_folds(folds: Path) -> list[tuple[str, Path]]:
    """Return the first volume and the label of every listed case."""
    try:
        entries = json.loads(folds.read_text(encoding="utf-8"))["training"]
        return [(str(entry["image"][0]), Path(entry["label"])) for entry in entries]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise DataError(
            f'{folds}: expected JSON with "training": [{{"image": [...], "label": ...}}]; fetch it again or remove it.'
        ) from None


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
