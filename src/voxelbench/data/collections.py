"""Pretraining collections: volumes of one channel, found by the card's layout, without labels."""

import re
from dataclasses import dataclass
from pathlib import Path

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.readers import dicom
from voxelbench.errors import DataError

_DICOM_MODALITY = {"CT": "CT", "MRI": "MR", "PET": "PT"}


@dataclass(frozen=True)
class Collection:
    """How a collection names its volumes.

    `name` is a regular expression for the end of a volume's path. Its group `case` is the id of the case; its group
    `patient` is the id of the patient, and where it has none, each volume is a patient of its own.
    """

    name: str = r"(?P<case>[^/]+)\.nii(\.gz)?"
    dicom_patient: str | None = None
    """Regular expression of the folder that names a patient above its DICOM series; None: only files are read."""

    def prepare(self, raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
        """Prepare every volume that the first line of the card's layout matches, and every DICOM series.

        Raises DataError for a volume with another name, and for two of one name.
        """
        volumes = [self._case(volume, raw) for volume in card.layout[0].found(raw)]
        series = [self._series(folder, raw) for folder in self._folders(raw, card)]
        prepare_cases([*volumes, *series], raw, out, card, grid)

    def _case(self, volume: Path, raw: Path) -> NativeCase:
        path = volume.relative_to(raw).as_posix()
        match = re.search(rf"(?:^|/){self.name}$", path)
        if match is None:
            raise DataError(f"{volume}: expected a path that ends in {self.name}; rename the file, or remove it.")
        named = match.groupdict()
        return NativeCase(named["case"], named.get("patient") or named["case"], (volume,))

    def _folders(self, raw: Path, card: DatasetCard) -> list[Path]:
        """Return the folders of the DICOM series of the card's modality; other series, such as contours, are left."""
        if self.dicom_patient is None:
            return []
        return [series.folder for series in dicom.find_series(raw, _DICOM_MODALITY[card.modality])]

    def _series(self, folder: Path, raw: Path) -> NativeCase:
        parts = folder.relative_to(raw).parts
        patient = next((part for part in parts if re.fullmatch(str(self.dicom_patient), part)), None)
        if patient is None:
            raise DataError(f"{folder}: lies in no folder named like {self.dicom_patient}; restore the archive's.")
        case_id = re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join((patient, *parts[parts.index(patient) + 1 :])))
        return NativeCase(case_id, patient, (folder,))
