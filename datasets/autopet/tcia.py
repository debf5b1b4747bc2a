"""AutoPET as DICOM, as The Cancer Imaging Archive ships it: <patient>/<study>/<series>/*.dcm, of PET, CT and SEG."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to

from voxelbench.data.readers import Image, dicom, segmentation
from voxelbench.data.suv_readers import SuvSeries
from voxelbench.errors import DataError

_AIR_HU = -1024.0
_MODALITIES = ("PT", "CT", "SEG")

Study = dict[str, Path]
"""The folder of each modality's series."""


def find_studies(raw: Path) -> dict[Path, Study]:
    """Return the series of every DICOM study under `raw`. Raises DataError if a study has not one of each modality."""
    found: dict[Path, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for series in dicom.find_series(raw):
        found[series.folder.parent][series.modality].append(series.folder)
    return {study: _one_of_each(study, found[study]) for study in sorted(found)}


def _one_of_each(study: Path, by_modality: dict[str, list[Path]]) -> Study:
    for modality in _MODALITIES:
        n_series = len(by_modality.get(modality, ()))
        if n_series != 1:
            raise DataError(
                f"{study}: has {n_series} DICOM series of modality {modality}, expected one; fetch the study again, or "
                "take what does not belong to it away."
            )
    return {modality: by_modality[modality][0] for modality in _MODALITIES}


@dataclass(frozen=True)
class CtOnPet:
    """Reads a CT on the grid of its PET, linearly; beyond the CT's field of view there is air."""

    ct: Path
    pet: Path

    def __call__(self) -> Image:
        """Return HU, float32 (X, Y, Z), and the affine of the PET."""
        volume, affine = dicom.read(self.ct)
        shape, target = dicom.read_grid(self.pet)
        image = nib.Nifti1Image(volume.astype(np.float32), affine)
        resampled = resample_from_to(image, (shape, target), order=1, mode="constant", cval=_AIR_HU)
        return np.asarray(resampled.dataobj), target

    def decisions(self) -> list[str]:
        """Say what was done to the CT."""
        return [f"CT resampled linearly onto the grid of the PET, {_AIR_HU:g} HU beyond its field of view"]


@dataclass(frozen=True)
class LesionsOnPet:
    """Reads the one segmentation file of a study on the grid of its PET."""

    seg: Path
    pet: Path

    def __call__(self) -> Image:
        """Return the number of the segment of each voxel, uint8 (X, Y, Z), and the affine of the PET."""
        shape, affine = dicom.read_grid(self.pet)
        return segmentation.read(self.seg, shape, affine), affine


def readers(study: Study) -> tuple[SuvSeries, CtOnPet, LesionsOnPet]:
    """Return what reads SUV, CT and lesions of a study."""
    pet, ct, seg = (study[modality] for modality in _MODALITIES)
    return SuvSeries(pet), CtOnPet(ct, pet), LesionsOnPet(seg, pet)
