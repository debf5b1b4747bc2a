"""UDPET as NIfTI in Bq/mL: reading it in SUV, and writing a synthetic twin of it."""

import csv
from functools import partial
from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase, read_native
from voxelbench.data.phantom import MARK, ORIENTATIONS, blur, case_rng, save_nifti
from voxelbench.data.phantom_body_pet import Body, draw_body, draw_lesions, seen_by_scanner
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import draw_ids
from voxelbench.datasets.udpet.metadata import COLUMNS, METADATA, Injection, read_metadata
from voxelbench.errors import DataError

FULL = "full"

_OLDER_NAMES = {FULL: "Full_dose"}
_F18_HALF_LIFE_S = 6586.2
_COUNTS_PER_SUV = 25.0
"""Expected counts of a voxel of SUV 1 at full dose."""


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every patient in SUV. Raises DataError for one without a dose, or without a row in the metadata."""
    patients = sorted({_patient_folder(file) for file in raw.rglob("*.nii.gz") if _dose(file, card)})
    tables = sorted(raw.rglob(METADATA)) or [raw / METADATA]
    injections = {patient: injection for table in tables for patient, injection in read_metadata(table).items()}
    cases = []
    for folder in patients:
        if folder.name not in injections:
            raise DataError(f"{folder}: patient {folder.name} has no row in {tables[0]}, which SUV needs; add the row.")
        cases.append(_case(folder, injections[folder.name], card))
    prepare_cases(cases, raw, out, card, grid)


def _dose(file: Path, card: DatasetCard) -> str | None:
    """Return the channel that a file holds, by its name or, in the older layout, its folder's; None if none."""
    if file.name.startswith("."):
        return None
    names = (file.name.removesuffix(".nii.gz"), file.parent.name)
    return next((dose for dose in card.channels if dose == names[0] or _older_name(dose) == names[1]), None)


def _older_name(dose: str) -> str:
    """Return the folder of a dose in the older release: "1-4 dose" for drf4."""
    return _OLDER_NAMES.get(dose, f"1-{dose.removeprefix('drf')} dose")


def _patient_folder(file: Path) -> Path:
    is_newer = file.parent.name != "Full_dose" and not file.parent.name.endswith(" dose")
    return file.parent if is_newer else file.parents[1]


def _case(folder: Path, injection: Injection, card: DatasetCard) -> NativeCase:
    files = tuple(_dose_file(folder, dose) for dose in card.channels)
    readers = tuple(partial(_read_suv, file, injection) for file in files)
    return NativeCase(folder.name, folder.name, readers, sources=files)


def _dose_file(folder: Path, dose: str) -> Path:
    """Return the file of a dose in either layout. Raises DataError if it is missing or there are several."""
    newer = folder / f"{dose}.nii.gz"
    older = sorted((folder / _older_name(dose)).glob("[!.]*.nii.gz"))
    found = [*([newer] if newer.is_file() else []), *older]
    if len(found) != 1:
        raise DataError(
            f"{newer}: patient {folder.name} has {len(found)} volumes of dose {dose}, expected one; restore or remove."
        )
    return found[0]


def _read_suv(file: Path, injection: Injection) -> tuple[np.ndarray, np.ndarray | None]:
    volume, affine = read_native(file)
    return (volume * injection.suv_per_bq_ml).astype(np.float32), affine


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write a synthetic twin: full dose is a count image, and each low dose a random share of the same counts."""
    assert card.twin is not None
    rows = []
    for index, (patient_id, _) in enumerate(draw_ids(card, ((f"{MARK}_{n:04d}",) * 2 for n in range(1447)))):
        rng = case_rng(card.name, patient_id, card.twin.version)
        body = draw_body(rng, spacing_mm=7.0)
        draw_lesions(body, rng.randint(1, 6), rng)
        injection = _draw_injection(rng)
        for dose, suv in _draw_doses(body, card, rng).items():
            bq_ml = (suv / injection.suv_per_bq_ml).round().astype(np.float32)
            file = raw / patient_id / f"{dose}.nii.gz"
            save_nifti(file, bq_ml, body.space.spacing_mm, ORIENTATIONS[index % len(ORIENTATIONS)])
        rows.append((patient_id, injection.weight_kg, injection.activity_bq, injection.delay_s, injection.half_life_s))
    with (raw / METADATA).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def _draw_injection(rng: np.random.RandomState) -> Injection:
    weight_kg = round(rng.uniform(45, 95), 1)
    return Injection(
        weight_kg, round(weight_kg * rng.uniform(2.5e6, 4.5e6)), round(rng.uniform(3000, 4800)), _F18_HALF_LIFE_S
    )


def _draw_doses(body: Body, card: DatasetCard, rng: np.random.RandomState) -> dict[str, np.ndarray]:
    """Return SUV (X, Y, Z) by dose: binomial thinning of one Poisson image, scaled back, and one filter for all."""
    counts = rng.poisson(seen_by_scanner(body, rng) * _COUNTS_PER_SUV)
    images = {}
    for dose in card.channels:
        factor = 1 if dose == FULL else int(dose.removeprefix("drf"))
        kept = counts if dose == FULL else rng.binomial(counts, 1.0 / factor)
        images[dose] = blur(kept * (factor / _COUNTS_PER_SUV), body.space.spacing_mm, fwhm_mm=5.0)
    return images
