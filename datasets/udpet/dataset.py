"""UDPET, NIfTI in Bq/mL or DICOM: reading it in SUV, and writing a synthetic twin of it."""

import csv
from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.phantom import MARK, ORIENTATIONS, blur, case_rng, save_nifti
from voxelbench.data.phantom_body_pet import Body, draw_body, draw_lesions, seen_by_scanner
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import draw_ids
from voxelbench.data.suv import Injection
from voxelbench.data.suv_readers import SuvSeries, SuvVolume
from voxelbench.datasets.udpet.layout import FULL, dose_volume, find_patients
from voxelbench.datasets.udpet.metadata import COLUMNS, METADATA, read_injections
from voxelbench.errors import DataError

_F18_HALF_LIFE_S = 6586.2
_COUNTS_PER_SUV = 25.0
"""Expected counts of a voxel of SUV 1 at full dose."""


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every patient in SUV. Raises DataError for one without a dose, or whose SUV nothing tells."""
    volumes = {folder: [dose_volume(folder, dose) for dose in card.channels] for folder in find_patients(raw, card)}
    needs_table = any(volume.is_file() for doses in volumes.values() for volume in doses)
    injections = read_injections(raw) if needs_table else {}
    prepare_cases([_case(folder, doses, injections) for folder, doses in volumes.items()], raw, out, card, grid)


def _case(folder: Path, doses: list[Path], injections: dict[str, Injection]) -> NativeCase:
    readers = tuple(SuvSeries(dose) if dose.is_dir() else _from_table(dose, folder, injections) for dose in doses)
    return NativeCase(folder.name, folder.name, readers, sources=tuple(doses))


def _from_table(file: Path, folder: Path, injections: dict[str, Injection]) -> SuvVolume:
    if folder.name not in injections:
        raise DataError(f"{folder}: patient {folder.name} has no row in {METADATA}, which SUV needs; add the row.")
    return SuvVolume(file, injections[folder.name])


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
