"""MetaImage: `.mha` in one file, `.mhd` beside its `.raw` or `.zraw`. ITK reads the geometry, and not the voxels.

It returns uninitialised memory for voxels that it cannot inflate, and no error.
"""

import io
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk
from nibabel.affines import from_matvec

from voxelbench.data.readers.bounds import DEFLATE, Shape, check_size, checked_affine, checked_shape, complete
from voxelbench.data.readers.payload import read_voxels, skip
from voxelbench.errors import DataError

_TYPES = {
    **{"MET_UCHAR": "u1", "MET_CHAR": "i1", "MET_USHORT": "u2", "MET_SHORT": "i2", "MET_UINT": "u4", "MET_INT": "i4"},
    **{"MET_FLOAT": "f4", "MET_DOUBLE": "f8"},
}
_MAX_HEADER = 1 << 16
_SPACING, _DATA = "ElementSpacing", "ElementDataFile"
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_ZLIB_OR_GZIP = 47


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a volume (X, Y, Z) and its affine, turned from ITK's LPS to RAS."""
    with complete(path, "MetaImage"):
        header, n_header = _read_header(path)
        shape = checked_shape(path, [int(length) for length in header["DimSize"].split()])
        dtype = _dtype(path, header)
        affine = checked_affine(path, _affine(path, shape))
        file, n_before = _voxel_file(path, header, n_header)
        n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        is_compressed = _is_true(header.get("CompressedData", "False"))
        check_size(file, n_bytes, file.stat().st_size - n_before, DEFLATE if is_compressed else 1)
        with file.open("rb") as stream:
            skip(file, stream, n_before)
            return read_voxels(
                file, _inflated(file, stream, n_bytes) if is_compressed else stream, shape, dtype
            ), affine


def _read_header(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of the header, which ends with the line that names the voxels, and its length in bytes."""
    with path.open("rb") as file:
        block = file.read(_MAX_HEADER)
    fields: dict[str, str] = {}
    n_read = 0
    for line in block.splitlines(keepends=True):
        n_read += len(line)
        key, _, value = line.decode("ascii").partition("=")
        fields[key.strip()] = value.strip()
        if key.strip() == _DATA:
            return fields, n_read
    raise DataError(f"{path}: has no line {_DATA} in its first {_MAX_HEADER} bytes; copy it again.")


def _is_true(value: str) -> bool:
    """Read a truth as ITK does: by its first letter."""
    return value[:1] in ("T", "t", "1")


def _dtype(path: Path, header: dict[str, str]) -> np.dtype:
    if header.get("ElementNumberOfChannels", "1") != "1" or header.get("HeaderSize", "0") != "0":
        raise DataError(f"{path}: has several channels or a header before its voxels, expected neither; convert it.")
    if not _is_true(header.get("BinaryData", "True")) or _SPACING not in header:
        raise DataError(f"{path}: keeps its voxels as text or states no {_SPACING}, expected it binary; convert it.")
    if header["ElementType"] not in _TYPES:
        raise DataError(f"{path}: has voxels of type {header['ElementType']}, expected one of {', '.join(_TYPES)}.")
    is_big = _is_true(header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB", "False")))
    return np.dtype((">" if is_big else "<") + _TYPES[header["ElementType"]])


def _affine(path: Path, shape: Shape) -> np.ndarray:
    reader = sitk.ImageFileReader()
    reader.SetFileName(path)
    reader.ReadImageInformation()
    if reader.GetSize() != shape:
        raise DataError(f"{path}: has size {reader.GetSize()} and, in another line, {shape}; copy it again.")
    direction = np.reshape(reader.GetDirection(), (3, 3)) @ np.diag(reader.GetSpacing())
    return from_matvec(_LPS_TO_RAS @ direction, _LPS_TO_RAS @ reader.GetOrigin())


def _voxel_file(path: Path, header: dict[str, str], n_header: int) -> tuple[Path, int]:
    """Return the file of the voxels, which lies beside the header, and how many bytes come before them."""
    name = header[_DATA]
    voxels, n_before = (path, n_header) if name == "LOCAL" else (path.parent / name, 0)
    if voxels.parent != path.parent or not voxels.resolve().is_relative_to(path.parent.resolve()):
        raise DataError(f"{path}: keeps its voxels in '{name}', expected one file beside it; put it there.")
    if not voxels.is_file():
        raise DataError(f"{path}: its voxels {voxels.name} are missing; restore the file.")
    return voxels, n_before


def _inflated(path: Path, stream: BinaryIO, n_bytes: int) -> BinaryIO:
    """Return the inflated voxels, which zlib has compared with its checksum, and one byte more if there are more."""
    inflate = zlib.decompressobj(_ZLIB_OR_GZIP)
    content = inflate.decompress(stream.read(), n_bytes + 1)
    if not inflate.eof and len(content) <= n_bytes:
        raise DataError(f"{path}: its compressed voxels end before their {n_bytes} bytes do; copy it again.")
    return io.BytesIO(content)
