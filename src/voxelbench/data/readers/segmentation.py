"""DICOM segmentations (SEG): one file of binary frames, each of one segment at one place, on the grid of an image."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from voxelbench.data.readers import dicom
from voxelbench.data.readers.bounds import Shape, complete
from voxelbench.data.readers.geometry import LPS_TO_RAS
from voxelbench.errors import DataError

_OFF_GRID = 0.1
"""How far a frame may lie from a slice of the image, in voxels."""


def read(folder: Path, shape: Shape, affine: np.ndarray) -> np.ndarray:
    """Return the number of the segment of every voxel, uint8 (X, Y, Z), 0 where there is none.

    Args:
        folder: holds the one file of the segmentation.
        shape: (X, Y, Z) of the image that was segmented, whose slices the frames lie on.
        affine: its affine, to RAS.

    Raises:
        DataError: if there is not one file, if it is not binary, or if a frame does not lie on a slice.
    """
    files = dicom.files(folder)
    if len(files) != 1:
        raise DataError(f"{folder}: holds {len(files)} DICOM files, expected one with the segmentation; keep one.")
    dataset = dicom.parse(files[0])
    with complete(files[0], "DICOM"):
        _check_kind(files[0], dataset, shape)
        frames = dataset.pixel_array.reshape(-1, shape[1], shape[0])
        shared = dataset.SharedFunctionalGroupsSequence[0]
        label = np.zeros(shape, np.uint8)
        seen: set[tuple[int, int]] = set()
        for frame, groups in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
            z = _slice_of(files[0], _place(groups, shared), shape, affine)
            segment = int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
            if (segment, z) in seen:
                raise DataError(f"{files[0]}: has two frames of segment {segment} on slice {z}; fetch it again.")
            seen.add((segment, z))
            label[..., z][frame.T > 0] = segment
    return label


def _check_kind(file: Path, dataset: FileDataset, shape: Shape) -> None:
    if dataset.get("Modality") != "SEG" or dataset.get("SegmentationType") != "BINARY":
        raise DataError(
            f"{file}: has modality {dataset.get('Modality')} of type {dataset.get('SegmentationType')}, expected a "
            "binary SEG; use the NIfTI release for its labels."
        )
    dicom.check_decodable(file, dataset)
    if (dataset.Columns, dataset.Rows) != shape[:2]:
        raise DataError(
            f"{file}: has frames of {dataset.Columns} x {dataset.Rows} pixels, its image {shape[0]} x {shape[1]}; "
            "use the NIfTI release for its labels."
        )


def _place(groups: Dataset, shared: Dataset) -> np.ndarray:
    """Return the affine (4, 3) to LPS of columns, rows and origin of a frame; what all share stands in one place."""

    def group(name: str) -> Dataset:
        found: Dataset = (groups if name in groups else shared)[name][0]
        return found

    directions = np.array(group("PlaneOrientationSequence").ImageOrientationPatient, float).reshape(2, 3)
    down_mm, across_mm = np.array(group("PixelMeasuresSequence").PixelSpacing, float)
    origin = np.array(group("PlanePositionSequence").ImagePositionPatient, float)
    columns = np.column_stack([directions[0] * across_mm, directions[1] * down_mm, origin])
    return np.vstack([columns, [0.0, 0.0, 1.0]])


def _slice_of(file: Path, place: np.ndarray, shape: Shape, affine: np.ndarray) -> int:
    """Return which slice of the image a frame lies on."""
    inside = np.linalg.solve(affine, LPS_TO_RAS @ place)[:3]
    z = round(float(inside[2, 2]))
    on_slice = np.column_stack([np.eye(3)[:, :2], [0.0, 0.0, z]])
    # A step of a pixel may be off by little, for the last of a row must still lie on the last of the image's.
    allowed = np.array([_OFF_GRID / shape[0], _OFF_GRID / shape[1], _OFF_GRID])
    if not 0 <= z < shape[2] or (np.abs(inside - on_slice) > allowed).any():
        raise DataError(
            f"{file}: has a frame that lies on no slice of its image; use the NIfTI release for its labels."
        )
    return z
