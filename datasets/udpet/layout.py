"""Where the doses of a patient lie: NIfTI files named by dose, or the older release's folders, of NIfTI or DICOM."""

import os
from pathlib import Path

from voxelbench.cards import DatasetCard
from voxelbench.data.readers import dicom
from voxelbench.errors import DataError

FULL = "full"
_OLDER_NAMES = {FULL: "Full_dose"}
_SUFFIX = ".nii.gz"


def find_patients(raw: Path, card: DatasetCard) -> list[Path]:
    """Return every folder that holds a dose, at any depth, sorted."""
    names = {name for dose in card.channels for name in (dose + _SUFFIX, _older_name(dose))}
    return sorted(Path(parent) for parent, folders, files in os.walk(raw) if names & {*folders, *files})


def dose_volume(folder: Path, dose: str) -> Path:
    """Return a patient's file or DICOM folder of one dose. Raises DataError if it is missing or there are several."""
    newer, older = folder / f"{dose}{_SUFFIX}", folder / _older_name(dose)
    found = [newer] if newer.is_file() else []
    if older.is_dir():
        found += [*sorted(older.glob(f"[!.]*{_SUFFIX}")), *([older] if dicom.files(older) else [])]
    if len(found) != 1:
        raise DataError(
            f"{newer}: patient {folder.name} has {len(found)} volumes of dose {dose}, expected one; restore or remove."
        )
    return found[0]


def _older_name(dose: str) -> str:
    """Return the folder of a dose in the older release: "1-4 dose" for drf4."""
    return _OLDER_NAMES.get(dose, f"1-{dose.removeprefix('drf')} dose")
