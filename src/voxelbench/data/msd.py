"""The layout of the Medical Segmentation Decathlon: imagesTr, labelsTr, imagesTs and a JSON list. BTCV has it too."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.download import fetch, unpack
from voxelbench.data.native import NativeCase
from voxelbench.data.phantom import MARK, ORIENTATIONS, save_nifti
from voxelbench.errors import DataError

IMAGES, LABELS, UNLABELLED = "imagesTr", "labelsTr", "imagesTs"
_SUFFIXES = (".nii.gz", ".nii")


def download(raw: Path, card: DatasetCard) -> None:
    """Fetch the archives of an open dataset and unpack them side by side; what is there already is only checked."""
    for file in card.files:
        name = Path(urlsplit(file.url).path).name
        archive = fetch(file.url, raw / "archives" / name, sha256=file.sha256, md5=file.md5)
        unpack(archive, raw / name.split(".")[0])


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
    except (ValueError, AttributeError, KeyError, TypeError):
        raise DataError(
            f'{manifest}: expected JSON with "training": [{{"image": ..., "label": ...}}]; restore or remove it.'
        ) from None


def _case(image: Path, label: Path) -> NativeCase:
    if not image.is_file():
        raise DataError(
            f"{image}: no such volume, though it is listed with the label {label}; restore it from the archive."
        )
    if not label.is_file():
        raise DataError(f"{image}: its label {label} is missing; restore it from the archive, or remove the volume.")
    suffix = next(suffix for suffix in _SUFFIXES if image.name.endswith(suffix))
    case_id = image.name.removesuffix(suffix)
    return NativeCase(case_id=case_id, patient_id=case_id, channels=(image,), label=label)


@dataclass(frozen=True)
class Twin:
    """Writes a synthetic dataset in this layout, a case at a time, and its manifest at the end."""

    root: Path
    card: DatasetCard
    manifest: str = "dataset.json"
    label_name: Callable[[str], str] = same_name

    def write_case(
        self, index: int, case_id: str, volume: np.ndarray, label: np.ndarray | None, spacing_mm: Sequence[float]
    ) -> None:
        """Write a volume (X, Y, Z) in HU and its label; a case without a label goes to the test volumes."""
        orientation = ORIENTATIONS[index % len(ORIENTATIONS)]
        name = f"{case_id}.nii.gz"
        save_nifti(self.root / (UNLABELLED if label is None else IMAGES) / name, volume, spacing_mm, orientation)
        if label is not None:
            save_nifti(self.root / LABELS / self.label_name(name), label.astype(np.uint8), spacing_mm, orientation)

    def write_manifest(self, labelled: Sequence[str], unlabelled: Sequence[str]) -> None:
        """Write the JSON list with the keys of the real one, marked as a phantom."""
        names = [f"{case_id}.nii.gz" for case_id in labelled]
        content = {
            "name": f"{MARK} {self.card.title}",
            "licence": "synthetic; free to use",
            "modality": {"0": self.card.modality},
            "labels": {str(value): label for value, label in self.card.labels.items()},
            "numTraining": len(labelled),
            "numTest": len(unlabelled),
            "training": [{"image": f"./{IMAGES}/{n}", "label": f"./{LABELS}/{self.label_name(n)}"} for n in names],
            "test": [f"./{UNLABELLED}/{case_id}.nii.gz" for case_id in unlabelled],
        }
        (self.root / self.manifest).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
