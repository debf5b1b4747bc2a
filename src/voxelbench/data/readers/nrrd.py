"""NRRD with header and voxels in one file: raw, gzip or bzip2."""

import bz2
import gzip
from pathlib import Path
from typing import Any, BinaryIO, cast

import nrrd
import numpy as np
from nibabel.affines import from_matvec

from voxelbench.data.readers.bounds import (
    DEFLATE,
    MAX_VOXELS,
    check_size,
    checked_affine,
    checked_shape,
    complete,
)
from voxelbench.data.readers.payload import read_voxels
from voxelbench.errors import DataError

_TO_RAS = {
    "right-anterior-superior": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
}
_TO_RAS |= {"".join(word[0] for word in name.split("-")): signs for name, signs in _TO_RAS.items()}

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
"""NumPy's name of a type -> NRRD's spellings of it."""
_NUMPY = {name: code for code, names in _TYPES.items() for name in names}

_RATIO = {"raw": 1, "gzip": DEFLATE, "gz": DEFLATE, "bzip2": MAX_VOXELS, "bz2": MAX_VOXELS}
"""By how much each encoding can shrink voxels; bzip2 has no bound worth a check."""


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a volume (X, Y, Z) and its affine, turned from the file's `space` to RAS."""
    with complete(path, "NRRD"), path.open("rb") as file:
        header = nrrd.read_header(file)
        _check_kind(path, header)
        shape = checked_shape(path, header["sizes"])
        dtype = _dtype(path, header)
        affine = checked_affine(path, _affine(path, header))
        check_size(
            path, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, path.stat().st_size, _RATIO[header["encoding"]]
        )
        with _inflated(header["encoding"], file) as stream:
            return read_voxels(path, stream, shape, dtype), affine


def _check_kind(path: Path, header: dict[str, Any]) -> None:
    if header["dimension"] != len(header["sizes"]):
        raise DataError(f"{path}: has {header['dimension']} axes and {len(header['sizes'])} sizes; copy it again.")
    if any(key.replace(" ", "") == "datafile" for key in header):
        raise DataError(f"{path}: keeps its voxels in another file; convert it to one file.")
    if header.get("encoding") not in _RATIO:
        raise DataError(
            f"{path}: has encoding {header.get('encoding')}, expected one of {', '.join(_RATIO)}; convert it."
        )
    skipped = [key for key in header if key.replace(" ", "") in ("lineskip", "byteskip") and header[key]]
    if skipped:
        raise DataError(f"{path}: has a `{skipped[0]}` of {header[skipped[0]]}, expected none; convert it.")


def _dtype(path: Path, header: dict[str, Any]) -> np.dtype:
    code = _NUMPY.get(header["type"])
    if code is None:
        raise DataError(f"{path}: has voxels of type {header['type']}, expected whole or real numbers; convert it.")
    return np.dtype(code) if code.endswith("1") else np.dtype({"little": "<", "big": ">"}[header["endian"]] + code)


def _affine(path: Path, header: dict[str, Any]) -> np.ndarray:
    signs = _TO_RAS.get(str(header.get("space")).lower())
    if signs is None:
        raise DataError(
            f"{path}: has space '{header.get('space')}', expected one of {', '.join(_TO_RAS)}, "
            "without which left and right are not known; convert it."
        )
    to_ras = np.diag(signs)
    return from_matvec(to_ras @ np.asarray(header["space directions"]).T, to_ras @ header["space origin"])


def _inflated(encoding: str, file: BinaryIO) -> BinaryIO:
    if encoding == "raw":
        return file
    return cast(BinaryIO, (gzip if encoding.startswith("gz") else bz2).open(file))
