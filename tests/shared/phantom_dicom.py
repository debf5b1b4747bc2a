"""Synthetic DICOM series, marked PHANTOM, for the tests of readers and datasets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SegmentationStorage,
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


def write_segmentation(path: Path, mask: np.ndarray, image: SeriesWriter) -> Path:
    """Write a mask (X, Y, Z) as a binary SEG on the grid of a series: one frame for every slice that is not empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    slices = [z for z in range(mask.shape[2]) if mask[..., z].any()] or [0]
    dataset = image._dataset(path, 0)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SegmentationStorage
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[str(path)])
    dataset.Modality, dataset.SegmentationType = "SEG", "BINARY"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 1, 1, 0, 0
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = mask.shape[1], mask.shape[0], len(slices)
    shared = _item(
        PlaneOrientationSequence=_item(ImageOrientationPatient=dataset.ImageOrientationPatient),
        PixelMeasuresSequence=_item(PixelSpacing=dataset.PixelSpacing, SliceThickness=image.spacing_mm[2]),
    )
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [
        _item(
            PlanePositionSequence=_item(ImagePositionPatient=image._dataset(path, z).ImagePositionPatient),
            SegmentIdentificationSequence=_item(ReferencedSegmentNumber=1),
        )
        for z in slices
    ]
    bits = np.packbits(mask[..., slices].transpose(2, 1, 0).ravel() > 0, bitorder="little").tobytes()
    dataset.PixelData = bits + b"\0" * (len(bits) % 2)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, [value] if isinstance(value, Dataset) else value)
    return item


def pet_tags(dose_bq: float = 3.5e8, weight_kg: float = 70.0, delay_s: int = 3600) -> dict[str, object]:
    """Return the tags that make a series one in Bq/mL, scanned `delay_s` after ten o'clock."""
    hours, seconds = divmod(delay_s, 3600)
    injection = Dataset()
    injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = dose_bq, 6586.2
    injection.RadiopharmaceuticalStartTime = "100000"
    time = f"{10 + hours:02d}{seconds // 60:02d}{seconds % 60:02d}"
    return {
        **{"Units": "BQML", "CorrectedImage": ["DECY", "ATTN"], "DecayCorrection": "START", "PatientWeight": weight_kg},
        **{"SeriesDate": "20200601", "SeriesTime": time, "AcquisitionDate": "20200601", "AcquisitionTime": time},
        "RadiopharmaceuticalInformationSequence": [injection],
    }


@pytest.fixture
def dicom_segmentation() -> Callable[..., Path]:
    """Return the writer of synthetic DICOM segmentations."""
    return write_segmentation


@pytest.fixture
def dicom_pet_tags() -> Callable[..., dict[str, object]]:
    """Return the maker of the tags that SUV needs."""
    return pet_tags
