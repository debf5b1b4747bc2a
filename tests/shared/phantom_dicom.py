"""Synthetic DICOM series, marked PHANTOM, for the tests of readers and datasets."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

_SOP_CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}
_UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class SeriesWriter:
    """Writes the slices of an int16 volume (X, Y, Z) into a folder, in an order of names that is not that of space."""

    def __init__(
        self,
        folder: Path,
        modality: str = "CT",
        spacing_mm: tuple[float, float, float] = (0.8, 1.5, 3.0),
        directions: tuple[float, ...] = _UPRIGHT,
        origin_mm: tuple[float, float, float] = (-10.0, 20.0, 5.0),
        suffix: str = ".dcm",
    ) -> None:
        self.folder, self.modality, self.spacing_mm, self.suffix = folder, modality, spacing_mm, suffix
        self.directions, self.origin_mm = np.asarray(directions, float), np.asarray(origin_mm, float)
        self.series, self.frame = (str(generate_uid(entropy_srcs=[str(folder), word])) for word in ("series", "frame"))

    def write(self, volume: np.ndarray, **tags: object) -> list[Path]:
        """Write all slices; `tags` override DICOM keywords. Returns the files in the order of Z."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return [self._write_slice(volume[..., z], z, volume.shape[2], tags) for z in range(volume.shape[2])]

    def _write_slice(self, pixels: np.ndarray, z: int, n_slices: int, tags: dict[str, object]) -> Path:
        path = self.folder / f"PHANTOM_{(z * 7) % n_slices if n_slices % 7 else n_slices - z:04d}{self.suffix}"
        dataset = self._dataset(path, z)
        dataset.Rows, dataset.Columns = pixels.shape[1], pixels.shape[0]
        dataset.PixelData = np.ascontiguousarray(pixels.T.astype("<i2")).tobytes()
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path, enforce_file_format=True)
        return path

    def _dataset(self, path: Path, z: int) -> FileDataset:
        uid = generate_uid(entropy_srcs=[self.series, str(z)])
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = _SOP_CLASSES[self.modality]
        meta.MediaStorageSOPInstanceUID = uid
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, uid
        dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = self.series, self.frame
        dataset.PatientName, dataset.PatientID = "PHANTOM^NOBODY", "PHANTOM"
        dataset.Modality, dataset.ImageType = self.modality, ["ORIGINAL", "PRIMARY", "AXIAL"]
        x, y, step = self.spacing_mm
        normal = np.cross(self.directions[:3], self.directions[3:])
        dataset.PixelSpacing = [y, x]
        dataset.ImageOrientationPatient = [round(float(value), 9) for value in self.directions]
        dataset.ImagePositionPatient = [round(float(value), 6) for value in self.origin_mm + z * step * normal]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        return dataset


@pytest.fixture
def dicom_series() -> type[SeriesWriter]:
    """Return the writer of synthetic DICOM series."""
    return SeriesWriter
