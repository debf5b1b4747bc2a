"""ADNI as the Image and Data Archive (IDA) delivers it: reading it, and writing a synthetic twin of it."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.phantom import MARK, ORIENTATIONS, blur, case_rng, save_nifti
from voxelbench.data.phantom_brain import draw_head, draw_tissue, glucose_uptake
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import deal_classes, draw_ids
from voxelbench.data.table import columns, read_table
from voxelbench.errors import DataError

ROOT = "ADNI"
COLUMNS = (
    *("Image Data ID", "Subject", "Group", "Sex", "Age", "Visit", "Modality"),
    *("Description", "Type", "Acq Date", "Format", "Downloaded"),
)

_NEEDED = {"Image Data ID", "Subject", "Group"}
_DESCRIPTION = "Coreg, Avg, Standardized Image and Voxel Size"


@dataclass(frozen=True)
class Scan:
    """One row of the search."""

    image_id: str
    subject: str
    group: str
    modality: str
    source: Path


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare the earliest PET scan of each subject of the card's classes; other groups are left out.

    Raises DataError if a scan has no row in the csv of the search, or a row of one of the classes no scan.
    """
    scans, files = _read_search(raw), _volumes(raw)
    for image_id, file in files.items():
        if image_id not in scans:
            listed = ", ".join(sorted({str(scan.source) for scan in scans.values()}))
            raise DataError(
                f"{file}: image {image_id} has no row in {listed}, so no class; add its row or remove the scan."
            )
    wanted = [scan for scan in scans.values() if scan.group in card.classes and scan.modality == "PET"]
    for scan in wanted:
        if scan.image_id not in files:
            raise DataError(
                f"{scan.source}: lists image {scan.image_id} of subject {scan.subject}, but no folder {scan.image_id} "
                "holds a NIfTI file; download it as NIfTI or take it off the list."
            )
    prepare_cases([_case(scan, files, card) for scan in _earliest(wanted, files)], raw, out, card, grid)


def _read_search(raw: Path) -> dict[str, Scan]:
    """Return the rows of every csv of a search under `raw`, by image id."""
    scans = {}
    for path in sorted(raw.rglob("[!.]*.csv")):
        if _NEEDED.issubset(columns(path)):
            for _, row in read_table(path, _NEEDED):
                scan = Scan(row["Image Data ID"], row["Subject"], row["Group"], row.get("Modality") or "PET", path)
                scans[scan.image_id] = scan
    if not scans:
        raise DataError(
            f"{raw}: no csv with columns {', '.join(sorted(_NEEDED))} and a row; "
            f"put the csv of the IDA search beside {ROOT}."
        )
    return scans


def _volumes(raw: Path) -> dict[str, Path]:
    """Return the volume of each image id, which names its folder. Raises DataError if a folder holds several."""
    volumes: dict[str, Path] = {}
    for file in sorted(path for suffix in ("nii", "nii.gz") for path in raw.rglob(f"[!.]*.{suffix}")):
        other = volumes.setdefault(file.parent.name, file)
        if other != file:
            raise DataError(
                f"{file}: image {file.parent.name} has {other.name} as well, expected one volume; keep one."
            )
    return volumes


def _earliest(scans: list[Scan], files: dict[str, Path]) -> list[Scan]:
    """Return one scan a subject: the one in the first folder by date, which IDA writes year first."""
    by_date = sorted(scans, key=lambda scan: (files[scan.image_id].parents[1].name, scan.image_id), reverse=True)
    return list({scan.subject: scan for scan in by_date}.values())


def _case(scan: Scan, files: dict[str, Path], card: DatasetCard) -> NativeCase:
    case_id = f"{scan.subject}_{scan.image_id}"
    return NativeCase(case_id, scan.subject, (files[scan.image_id],), target=card.classes.index(scan.group))


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write a synthetic twin: AD has lost 30 to 50 % of temporo-parietal and cingulate uptake, CN up to 7 %."""
    assert card.twin is not None
    scans = {f"{subject}_{image_id}": (subject, image_id) for subject, image_id in _candidates()}
    drawn = draw_ids(card, ((case_id, subject) for case_id, (subject, _) in scans.items()))
    rows = []
    for index, ((case_id, _), target) in enumerate(
        zip(drawn, deal_classes(card, drawn, len(card.classes)), strict=True)
    ):
        rng = case_rng(card.name, case_id, card.twin.version)
        volume, spacing_mm = _draw_scan(rng, is_ad=card.classes[target] == "AD")
        subject, image_id = scans[case_id]
        folder = raw / ROOT / subject / _DESCRIPTION.replace(" ", "_") / "2001-01-15_10_00_00.0" / image_id
        file = folder / f"{MARK}_{subject}_PT_{image_id}.nii"
        save_nifti(file, volume, spacing_mm, ORIENTATIONS[index % len(ORIENTATIONS)])
        rows.append((image_id, subject, card.classes[target]))
    _write_search(raw / f"{MARK}_1_15_2001.csv", rows)


def _candidates() -> Iterator[tuple[str, str]]:
    """Yield (subject, image id)."""
    for number in range(1000):
        yield f"{2 + number % 60:03d}_S_{number:04d}", f"I{100000 + number}"


def _draw_scan(rng: np.random.RandomState, is_ad: bool) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Return a scan (X, Y, Z), int16 with a gain of its own, and its spacing."""
    space = draw_head(rng, spacing_mm=4.0, elastic_mm=3.0)
    tissue = draw_tissue(space, rng, ventricle_scale=1.5 if is_ad else 1.0)
    loss = rng.uniform(0.30, 0.50) if is_ad else rng.uniform(0.0, 0.07)
    seen = blur(glucose_uptake(space, tissue, loss, rng), space.spacing_mm, fwhm_mm=7.0)
    noise = blur(rng.standard_normal(seen.shape) * np.sqrt(seen), space.spacing_mm, fwhm_mm=5.0)
    gain = 1000 * np.exp(0.15 * rng.standard_normal())
    return np.maximum(gain * (seen + 0.2 * noise), 0).round().astype(np.int16), space.spacing_mm


def _write_search(path: Path, rows: list[tuple[str, str, str]]) -> None:
    """Write the csv of the search; the columns that a phantom cannot fill say PHANTOM or stay empty."""
    fixed = {
        "Modality": "PET",
        "Visit": "bl",
        "Description": _DESCRIPTION,
        "Type": "Processed",
        "Acq Date": "1/15/2001",
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for image_id, subject, group in rows:
            identity = {"Image Data ID": image_id, "Subject": subject, "Group": group}
            writer.writerow({**identity, **fixed, "Format": "NiFTI", "Downloaded": MARK})
