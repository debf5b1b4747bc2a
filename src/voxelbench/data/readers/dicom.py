"""DICOM: a folder is one series of one patient, sorted by where its slices lie, never by their names.

Only what geometry and values need is read; names, dates of birth and the like go nowhere.
"""

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import DeflatedExplicitVRLittleEndian

from voxelbench.data.readers.bounds import Shape, checked_affine, checked_shape, complete
from voxelbench.data.readers.geometry import LPS_TO_RAS, sorted_along_normal, stacked_affine
from voxelbench.errors import DataError

MODALITIES = ("CT", "MR", "PT")
_SUFFIXES = (".dcm", ".ima")
_PREAMBLE = 128
_MAX_FILE = 1 << 30


@dataclass(frozen=True)
class Series:
    """A folder with one DICOM series, and the modality that its first file states."""

    folder: Path
    modality: str


def files(folder: Path) -> list[Path]:
    """Return the DICOM files directly in a folder: by their mark, or by a suffix that promises one."""
    return sorted(file for file in folder.iterdir() if _is_dicom(file))


def find_series(root: Path, modality: str | None = None) -> list[Series]:
    """Return every folder under `root` that holds DICOM files, sorted; of one modality if it is given.

    One file a folder is opened, so a whole collection is listed in seconds; `read` refuses a folder of several series.
    """
    folders = sorted(Path(parent) for parent, _, names in os.walk(root) if names)
    firsts = [(folder, found[0]) for folder in folders if (found := files(folder))]
    series = [Series(folder, str(read_header(first).get("Modality", ""))) for folder, first in firsts]
    return [one for one in series if modality in (None, one.modality)]


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the one series of a folder, (X, Y, Z) in rescaled units (HU, Bq/mL, ...), and its affine to RAS.

    Whole numbers stay whole. Raises DataError for several series, another modality than CT, MR or PT, a localizer,
    missing or repeated slices, uneven distances, a tilted gantry, and pixels that cannot be decoded here.
    """
    headers = read_headers(folder)
    ordered, shape, affine = _geometry(folder, headers)
    volume = np.empty(shape, _dtype(headers), order="F")
    for z, file in enumerate(ordered):
        volume[..., z] = _read_slice(file, shape)
    return volume, affine


def read_grid(folder: Path) -> tuple[Shape, np.ndarray]:
    """Return shape and affine of the series that `read` reads, from its headers alone."""
    _, shape, affine = _geometry(folder, read_headers(folder))
    return shape, affine


def read_headers(folder: Path) -> dict[Path, FileDataset]:
    """Return the headers of a folder's one series, by file. Raises DataError if it is not one series of images."""
    headers = {file: read_header(file) for file in files(folder)}
    if not headers:
        raise DataError(f"{folder}: holds no DICOM file; fetch the series again.")
    with complete(folder, "DICOM"):
        _check_one_series(folder, list(headers.values()))
    for file, header in headers.items():
        with complete(file, "DICOM"):
            _check_slice(file, header)
    return headers


def read_header(file: Path) -> FileDataset:
    """Read all of a DICOM file but its pixels."""
    return parse(file, without_pixels=True)


def parse(file: Path, without_pixels: bool = False) -> FileDataset:
    """Read a DICOM file. Raises DataError if it is damaged or has no transfer syntax."""
    with complete(file, "DICOM"):
        if file.stat().st_size > _MAX_FILE:
            raise DataError(f"{file}: has {file.stat().st_size} bytes, expected at most {_MAX_FILE} in a DICOM file.")
        # From memory: a damaged length then ends at the end of the file, and is never allocated.
        content = io.BytesIO(file.read_bytes())
        dataset = pydicom.dcmread(content, stop_before_pixels=without_pixels, force=False)
        dataset.file_meta.TransferSyntaxUID  # noqa: B018 - without it nothing behind it can be trusted
        if not len(dataset):
            raise DataError(f"{file}: ends before its header does; copy it again.")
    return dataset


def check_decodable(file: Path, header: FileDataset) -> None:
    """Check that the installed packages can decode the pixels of a file."""
    syntax = header.file_meta.TransferSyntaxUID
    try:
        is_known = syntax != DeflatedExplicitVRLittleEndian and get_decoder(syntax).is_available
    except NotImplementedError:
        is_known = False
    if not is_known:
        raise DataError(
            f"{file}: its pixels are encoded as {syntax.name}, which no installed package decodes; decompress the "
            "series (for instance with `gdcmconv --raw`), or install a decoder for pydicom."
        )


def _is_dicom(file: Path) -> bool:
    if file.name.startswith(".") or not file.is_file() or file.name == "DICOMDIR":
        return False
    if file.suffix.lower() in _SUFFIXES:
        return True
    with file.open("rb") as opened:
        return opened.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"


def _check_one_series(folder: Path, headers: Iterable[FileDataset]) -> None:
    n_series = len({str(header.get("SeriesInstanceUID", "")) for header in headers})
    if n_series != 1:
        raise DataError(f"{folder}: holds {n_series} DICOM series, expected one; put each into a folder of its own.")


def _check_slice(file: Path, header: FileDataset) -> None:
    modality = header.get("Modality", "none")
    if modality not in MODALITIES:
        raise DataError(f"{file}: has modality {modality}, expected one of {', '.join(MODALITIES)}; take it away.")
    if "LOCALIZER" in (header.get("ImageType") or ()):
        raise DataError(f"{file}: is a localizer, which is no slice of a volume; take it away.")
    if int(header.get("NumberOfFrames") or 1) != 1 or "PerFrameFunctionalGroupsSequence" in header:
        raise DataError(f"{file}: is a multi-frame file, expected one slice a file; convert it to classic DICOM.")
    if header.get("SamplesPerPixel", 1) != 1:
        raise DataError(f"{file}: has {header.SamplesPerPixel} samples a pixel, expected grey levels; take it away.")
    if "ModalityLUTSequence" in header:
        raise DataError(f"{file}: has a table in place of a rescale slope, which is not read; convert it.")
    check_decodable(file, header)


def _geometry(folder: Path, headers: dict[Path, FileDataset]) -> tuple[list[Path], Shape, np.ndarray]:
    """Return the files in the order of their slices, the shape, and the affine to RAS."""
    first = next(iter(headers))
    reference = _plane(first, headers[first])
    positions = []
    for file, header in headers.items():
        if not np.allclose(_plane(file, header), reference, atol=1e-3):
            raise DataError(
                f"{file}: has another orientation, spacing or size than {first.name}; it belongs to another series."
            )
        positions.append(_numbers(file, header, "ImagePositionPatient", 3))
    across, down, spacing = reference[:3], reference[3:6], reference[6:8]
    order, step = sorted_along_normal(folder, np.array(positions), np.cross(across, down), float(spacing.min()))
    origin = positions[order[0]]
    # PixelSpacing gives the distance of rows first, then that of columns.
    affine = stacked_affine(across * spacing[1], down * spacing[0], step, origin)
    shape = checked_shape(folder, (headers[first].Columns, headers[first].Rows, len(order)))
    return [list(headers)[index] for index in order], shape, checked_affine(folder, LPS_TO_RAS @ affine)


def _plane(file: Path, header: FileDataset) -> np.ndarray:
    """Return what all slices share: two directions, the spacing of rows and columns, and their numbers."""
    directions = _numbers(file, header, "ImageOrientationPatient", 6)
    across, down = directions[:3], directions[3:]
    if not np.allclose([across @ across, down @ down, across @ down], [1, 1, 0], atol=1e-3):
        raise DataError(
            f"{file}: has directions {directions}, expected two unit vectors at right angles; copy it again."
        )
    with complete(file, "DICOM"):
        size = [float(header.Rows), float(header.Columns)]
    return np.concatenate([directions, _numbers(file, header, "PixelSpacing", 2), size])


def _numbers(file: Path, header: FileDataset, name: str, n_numbers: int) -> np.ndarray:
    with complete(file, "DICOM"):
        values = np.atleast_1d(np.asarray(header.get(name), float))
        if values.shape != (n_numbers,) or not np.isfinite(values).all():
            raise DataError(f"{file}: has {name} {header.get(name)}, expected {n_numbers} numbers; copy it again.")
        return values


def rescale(header: FileDataset) -> tuple[float, float]:
    """Return the slope and the intercept that turn a slice's stored values into its units."""
    return float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))


def _dtype(headers: dict[Path, FileDataset]) -> np.dtype:
    """Return a type for all slices: whole where slope and intercept are, so that HU stay whole numbers."""
    return np.dtype(np.int32 if all(_is_whole(file, header) for file, header in headers.items()) else np.float32)


def _is_whole(file: Path, header: FileDataset) -> bool:
    with complete(file, "DICOM"):
        slope, intercept = rescale(header)
        if not np.isfinite([slope, intercept]).all():
            raise DataError(f"{file}: is rescaled by {slope:g} and {intercept:g}, expected numbers; copy it again.")
        return bool(header.BitsAllocated <= 16 and slope == 1 and intercept.is_integer() and abs(intercept) < 2**30)


def _read_slice(file: Path, shape: tuple[int, int, int]) -> np.ndarray:
    dataset = parse(file)
    with complete(file, "DICOM"):
        pixels = dataset.pixel_array
        if pixels.shape != (shape[1], shape[0]):
            raise DataError(f"{file}: has pixels {pixels.shape}, expected {(shape[1], shape[0])}; copy it again.")
        slope, intercept = rescale(dataset)
        if (slope, intercept) == (1.0, 0.0):
            return pixels.T
        return pixels.T * slope + intercept
