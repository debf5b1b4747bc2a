"""AutoPET as NIfTI or DICOM: reading it, and writing a synthetic twin of the NIfTI release."""

import csv
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.phantom import MARK, ORIENTATIONS, blur, case_rng, save_nifti
from voxelbench.data.phantom_body_pet import ct_image, draw_body, draw_lesions, seen_by_scanner
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import Listed, deal_classes, draw_ids, write_supplied
from voxelbench.datasets.autopet import tcia
from voxelbench.errors import DataError

ROOT = "FDG-PET-CT-Lesions"
PATIENT = "PETCT_"
SUV, CT, SEG = "SUV.nii.gz", "CTres.nii.gz", "SEG.nii.gz"
METADATA = "fdg_metadata.csv"
VOCO, N_FOLDS = "voco_5fold", 5


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every study, NIfTI or DICOM. Raises DataError if one has no label or lies in no patient's folder."""
    studies = sorted({file.parent for name in (SUV, CT, SEG) for file in raw.rglob(name)})
    cases = [_nifti_case(study) for study in studies]
    cases += [_dicom_case(study, series) for study, series in tcia.find_studies(raw).items()]
    write_supplied(out, _folds(cases))
    prepare_cases(cases, raw, out, card, grid)


def _folds(cases: list[NativeCase]) -> Listed:
    """Return the test cases of VoCo's folds: of all patients, sorted, every fifth from the fold's number on."""
    patients = sorted({case.patient_id for case in cases})
    return {
        (VOCO, fold): {case.case_id: "test" for case in cases if case.patient_id in patients[fold::N_FOLDS]}
        for fold in range(N_FOLDS)
    }


def _nifti_case(study: Path) -> NativeCase:
    patient_id = _patient(study)
    if not (study / SEG).is_file():
        raise DataError(f"{study / SUV}: its label {SEG} is missing; restore it from the archive or remove the study.")
    return NativeCase(_case_id(patient_id, study.name), patient_id, (study / SUV, study / CT), study / SEG)


def _dicom_case(study: Path, series: tcia.Study) -> NativeCase:
    patient_id = _patient(study)
    suv, ct, lesions = tcia.readers(series)
    return NativeCase(_case_id(patient_id, study.name), patient_id, (suv, ct), lesions, sources=tuple(series.values()))


def _patient(study: Path) -> str:
    if not study.parent.name.startswith(PATIENT):
        raise DataError(
            f"{study}: lies in '{study.parent.name}', expected {PATIENT}<hash>/<study>; restore the archive's folders."
        )
    return study.parent.name


def _case_id(patient_id: str, study: str) -> str:
    """Return an id that can be a file name; studies are named freely, with spaces."""
    return f"{patient_id}_{re.sub(r'[^A-Za-z0-9.]+', '-', study)}"


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write a synthetic twin: two patients of three have 4 to 8 lesions, the rest none."""
    assert card.twin is not None
    studies = {_case_id(*study): study for study in _candidates()}
    drawn = draw_ids(card, ((case_id, patient_id) for case_id, (patient_id, _) in studies.items()))
    for index, ((case_id, _), kind) in enumerate(zip(drawn, deal_classes(card, drawn, 3), strict=True)):
        rng = case_rng(card.name, case_id, card.twin.version)
        body = draw_body(rng, spacing_mm=6.6)
        lesions = draw_lesions(body, (kind > 0) * rng.randint(4, 9), rng)
        suv = seen_by_scanner(body, rng)
        noise = blur(rng.standard_normal(suv.shape) * np.sqrt(suv), body.space.spacing_mm, fwhm_mm=5.0)
        volumes = {
            SUV: np.maximum(suv + 0.25 * noise, 0).round(2).astype(np.float32),
            CT: ct_image(body, rng),
            SEG: lesions.astype(np.uint8),
        }
        for name, volume in volumes.items():
            file = raw.joinpath(ROOT, *studies[case_id], name)
            save_nifti(file, volume, body.space.spacing_mm, ORIENTATIONS[index % len(ORIENTATIONS)])
    _write_metadata(raw / ROOT / METADATA, [studies[case_id] for case_id, _ in drawn])


def _candidates() -> Iterator[tuple[str, str]]:
    """Yield (patient, study); every third patient was scanned twice."""
    for number in range(900):
        patient_id = PATIENT + sha256(f"{MARK}{number}".encode()).hexdigest()[:10]
        for visit in range(1 + (number % 3 == 0)):
            yield patient_id, f"01-{10 + visit}-2001-NA-{MARK} PET CT-{number:05d}"


def _write_metadata(path: Path, studies: list[tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("Subject ID", "Study"))
        writer.writerows(studies)
