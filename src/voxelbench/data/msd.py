"""The layout of the Medical Segmentation Decathlon: imagesTr, labelsTr, imagesTs and a JSON list. BTCV has it too."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.phantom import MARK, ORIENTATIONS, case_rng, save_nifti
from voxelbench.data.splits import draw_ids
from voxelbench.errors import DataError

IMAGES, LABELS, UNLABELLED = "imagesTr", "labelsTr", "imagesTs"
_SUFFIXES = (".nii.gz", ".nii")


def same_name(image: str) -> str:
    """Return the file name of a volume's label where both share one, as in the Decathlon."""
    return image


def find_cases(
    raw: Path, manifest: str = "dataset.json", label_name: Callable[[str], str] = same_name
) -> list[NativeCase]:
    """Return the labelled cases of a folder, sorted by name; each patient has one.

    A case is a file in imagesTr, or an entry of the manifest that names a label. Test volumes have no labels and are
    left out, as is what macOS puts beside files (`._*`).

    Args:
        raw: the folder that holds imagesTr, or under which one folder does, as the archives unpack.
        manifest: name of the JSON list, which may be absent.
        label_name: file name of a label from that of its volume.

    Raises:
        DataError: if imagesTr is absent or empty, or a volume or its label is missing.
    """
    root = _root(raw)
    pairs = {image: root / LABELS / label_name(image.name) for image in _volumes(root / IMAGES)}
    pairs.update(_listed(root / manifest))
    if not pairs:
        raise DataError(f"{root / IMAGES}: holds no NIfTI volume (.nii.gz); unpack the dataset's archive here again.")
    named = set(pairs.values())
    for label in _volumes(root / LABELS):
        if label not in named:
            raise DataError(f"{label}: labels no volume in {root / IMAGES}; restore the volume, or remove the label.")
    return [_case(image, label) for image, label in sorted(pairs.items())]


def _root(raw: Path) -> Path:
    if (raw / IMAGES).is_dir():
        return raw
    nested = sorted(folder.parent for folder in raw.rglob(IMAGES) if folder.is_dir())
    if len(nested) == 1:
        return nested[0]
    raise DataError(
        f"{raw}: expected one folder {IMAGES} in it or below it, found {len(nested)}; unpack the archive here."
    )


def _volumes(folder: Path) -> list[Path]:
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted(file for file in files if file.name.endswith(_SUFFIXES) and not file.name.startswith("."))


def _listed(manifest: Path) -> dict[Path, Path]:
    """Return volume -> label of the labelled entries of a manifest, if there is one."""
    if not manifest.exists():
        return {}
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        entries = [*content.get("training", []), *content.get("validation", [])]
        labelled = [entry for entry in entries if isinstance(entry, dict) and "label" in entry]
        return {manifest.parent / entry["image"]: manifest.parent / entry["label"] for entry in labelled}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise DataError(
            f'{manifest}: expected JSON with "training": [{{"image": ..., "label": ...}}]; restore or remove it.'
        ) from None


def _case(image: Path, label: Path) -> NativeCase:
    suffix = next((suffix for suffix in _SUFFIXES if image.name.endswith(suffix)), None)
    if suffix is None or not _is_there(image):
        raise DataError(
            f"{image}: no such NIfTI volume, though it is listed with the label {label}; restore it from the archive."
        )
    if not _is_there(label):
        raise DataError(f"{image}: its label {label} is missing; restore it from the archive, or remove the volume.")
    case_id = image.name.removesuffix(suffix)
    return NativeCase(case_id=case_id, patient_id=case_id, channels=(image,), label=label)


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a name that no file can have, such as one of 5,000 letters
        return False


@dataclass(frozen=True)
class Drawing:
    """One synthetic case: a volume (X, Y, Z) in the card's units, its label map, and the spacing of both."""

    volume: np.ndarray
    label: np.ndarray
    spacing_mm: Sequence[float]


def write_twin(
    raw: Path,
    card: DatasetCard,
    candidates: Iterable[str],
    unlabelled: Sequence[str],
    draw: Callable[[np.random.RandomState], Drawing],
    manifest: str = "dataset.json",
    label_name: Callable[[str], str] = same_name,
) -> None:
    """Write a synthetic dataset in this layout.

    Args:
        raw: the folder to write.
        card: says how many cases each part of the default split gets.
        candidates: case ids to pick labelled cases from, in this order.
        unlabelled: case ids of test volumes, written without their labels.
        draw: draws one case from its random state.
        manifest: name of the JSON list.
        label_name: file name of a label from that of its volume.
    """
    assert card.twin is not None
    labelled = [case_id for case_id, _ in draw_ids(card, ((case_id, case_id) for case_id in candidates))]
    for index, case_id in enumerate((*labelled, *unlabelled)):
        drawing = draw(case_rng(card.name, case_id, card.twin.version))
        orientation, name = ORIENTATIONS[index % len(ORIENTATIONS)], f"{case_id}.nii.gz"
        images = IMAGES if case_id in labelled else UNLABELLED
        save_nifti(raw / images / name, drawing.volume, drawing.spacing_mm, orientation)
        if case_id in labelled:
            label = drawing.label.astype(np.uint8)
            save_nifti(raw / LABELS / label_name(name), label, drawing.spacing_mm, orientation)
    content = {
        "name": f"{MARK} {card.title}",
        "licence": "synthetic; free to use",
        "modality": {"0": card.modality},
        "labels": {str(value): label for value, label in card.labels.items()},
        "numTraining": len(labelled),
        "numTest": len(unlabelled),
        "training": [
            {"image": f"./{IMAGES}/{case_id}.nii.gz", "label": f"./{LABELS}/{label_name(f'{case_id}.nii.gz')}"}
            for case_id in labelled
        ],
        "test": [f"./{UNLABELLED}/{case_id}.nii.gz" for case_id in unlabelled],
    }
    (raw / manifest).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
