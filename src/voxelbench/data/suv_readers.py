"""Readers of PET in SUV, which say by which factor: of a file whose injection a table gives, and of a DICOM series."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxelbench.data.readers import Image, dicom, read
from voxelbench.data.suv import Injection, suv_factor


@dataclass(frozen=True)
class SuvVolume:
    """Reads a file in Bq/mL as SUV, for an injection that a table gives."""

    file: Path
    injection: Injection

    def __call__(self) -> Image:
        """Return SUV, float32 (X, Y, Z), and the affine."""
        return _times(read(self.file), self.injection.suv_per_bq_ml)

    def decisions(self) -> list[str]:
        """Say which factor was used."""
        return [str(self.injection)]


@dataclass(frozen=True)
class SuvSeries:
    """Reads a DICOM PET series as SUV, by its own header."""

    folder: Path

    def __call__(self) -> Image:
        """Return SUV, float32 (X, Y, Z), and the affine."""
        return _times(dicom.read(self.folder), self._factor()[0])

    def decisions(self) -> list[str]:
        """Say which factor was used."""
        return [self._factor()[1]]

    def _factor(self) -> tuple[float, str]:
        return suv_factor(list(dicom.read_headers(self.folder).values()), self.folder)


def _times(image: Image, factor: float) -> Image:
    volume, affine = image
    return (volume * factor).astype(np.float32), affine
