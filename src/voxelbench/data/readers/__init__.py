"""One door to native volumes: `read(source)` picks the format by the suffix, or by what a folder holds.

Every format ends in the same two things, an array (X, Y, Z) and an affine to RAS world coordinates in mm, and refuses a
damaged file in one DataError before it allocates what the header asks for.
"""

import glob
from collections.abc import Callable
from pathlib import Path

import numpy as np

from voxelbench.data.readers import dicom, metaimage, nifti, npy, nrrd, stack
from voxelbench.errors import DataError

Image = tuple[np.ndarray, np.ndarray | None]
"""An array (X, Y, Z) and its affine, voxel indices to RAS mm; None where the source has no spacing."""

_FORMATS: dict[str, Callable[[Path], Image]] = {
    ".nii": nifti.read,
    ".nii.gz": nifti.read,
    ".nrrd": nrrd.read,
    ".npy": npy.read,
    ".mha": metaimage.read,
    ".mhd": metaimage.read,
}


def read(source: Path) -> Image:
    """Read one volume from a file, or from a folder with one DICOM series or one stack of images.

    Raises DataError, in one sentence, if it is missing, damaged, or not one volume.
    """
    return _reader(source)(source)


def format_of(source: Path) -> str:
    """Return the name of the format that `read` takes a source for, such as "nifti"."""
    return _reader(source).__module__.rpartition(".")[2]


def parts(source: Path) -> list[Path]:
    """Return the files that a volume consists of: the slices of a folder, or a header and the voxels beside it."""
    if source.is_dir():
        return dicom.files(source) or stack.files(source)
    if source.suffix.lower() == ".mhd":
        return sorted(source.parent.glob(f"{glob.escape(source.stem)}.*"))
    return [source]


def _reader(source: Path) -> Callable[[Path], Image]:
    if source.is_dir():
        return dicom.read if dicom.files(source) else stack.read
    if not source.is_file():
        raise DataError(
            f"{source}: no such file; the case is listed but its volume is missing. "
            "Restore it from the dataset's archive."
        )
    for suffix, reader in _FORMATS.items():
        if source.name.lower().endswith(suffix):
            return reader
    raise DataError(f"{source}: no reader for this suffix, expected {', '.join(_FORMATS)} or a folder; convert it.")
