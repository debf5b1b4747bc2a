"""NIfTI-1 and NIfTI-2 in one file, plain or gzipped. The affine is nibabel's: sform, else qform, else voxel sizes."""

import gzip
from pathlib import Path
from typing import BinaryIO, cast

import nibabel as nib
import numpy as np

from voxelbench.data.readers.bounds import DEFLATE, check_size, checked_affine, checked_dtype, checked_shape, complete
from voxelbench.data.readers.payload import read_voxels, scaled, skip
from voxelbench.errors import DataError

_FIRST, _SECOND = 348, 540
_MAX_OFFSET = 1 << 26
"""Voxels begin within 64 MiB; only extensions lie before them."""
_OTHER_UNITS = {1: "metres", 3: "micrometres"}


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a volume (X, Y, Z) and its affine; scaled values are float32.

    Where sform and qform disagree the sform holds. With neither, voxel sizes alone count and X runs to the left.
    """
    is_compressed = path.name.lower().endswith(".gz")
    with complete(path, "NIfTI"), cast(BinaryIO, gzip.open(path) if is_compressed else path.open("rb")) as stream:
        header = _read_header(path, stream)
        shape = checked_shape(path, header.get_data_shape())
        dtype = checked_dtype(path, header.get_data_dtype())
        affine = checked_affine(path, np.asarray(header.get_best_affine()))
        n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        check_size(path, n_bytes, path.stat().st_size, DEFLATE if is_compressed else 1)
        slope, intercept = header.get_slope_inter()
        volume = read_voxels(path, stream, shape, dtype)
    if slope is None or (slope, intercept) == (1.0, 0.0):
        return volume, affine
    return scaled(volume, slope, intercept), affine


def _read_header(path: Path, stream: BinaryIO) -> nib.Nifti1Header:
    """Read the header alone and go to the first voxel: extensions, which may claim any length, are passed over."""
    block = stream.read(_FIRST)
    is_second = _SECOND in (int.from_bytes(block[:4], order) for order in ("little", "big"))
    if is_second:
        block += stream.read(_SECOND - _FIRST)
    header = (nib.Nifti2Header if is_second else nib.Nifti1Header)(block)
    if not header["magic"].item().startswith(b"n+"):
        raise DataError(f"{path}: keeps its voxels in another file (.img); convert it to one file.")
    units = int(header["xyzt_units"]) & 7
    if units in _OTHER_UNITS:
        raise DataError(f"{path}: states its spacing in {_OTHER_UNITS[units]}, expected mm; convert it.")
    offset = float(header["vox_offset"])
    if not len(block) <= offset <= _MAX_OFFSET:
        raise DataError(
            f"{path}: has its voxels at byte {offset:g}, expected {len(block)} to {_MAX_OFFSET}; copy it again."
        )
    skip(path, stream, int(offset) - len(block))
    return header
