"""The voxels behind a header, read from a plain or compressed stream: exactly as many as declared, and no more."""

from math import prod
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from voxelbench.data.readers.bounds import Shape
from voxelbench.errors import DataError

_CHUNK = 1 << 20


def read_voxels(
    path: Path, stream: BinaryIO, shape: Shape, dtype: np.dtype, order: Literal["C", "F"] = "F"
) -> np.ndarray:
    """Read the voxels of a volume in the machine's byte order; the first axis runs fastest, unless `order` is C.

    Raises DataError if the stream holds less, or more.
    """
    flat = np.empty(prod(shape), dtype)
    _fill(path, stream, flat.view(np.uint8))
    # Bytes that were put in between show as some too many; and gzip compares its checksum only at its end.
    if stream.read(1):
        raise DataError(f"{path}: holds more than the {flat.nbytes} bytes of voxels that it declares; copy it again.")
    if not dtype.isnative:
        flat = flat.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return flat.reshape(shape, order=order)


def _fill(path: Path, stream: BinaryIO, target: np.ndarray) -> None:
    n_read = 0
    while n_read < len(target):
        chunk = stream.read(min(_CHUNK, len(target) - n_read))
        if not chunk:
            raise DataError(
                f"{path}: holds {n_read} of the {len(target)} bytes of voxels that it declares; copy it again."
            )
        target[n_read : n_read + len(chunk)] = np.frombuffer(chunk, np.uint8)
        n_read += len(chunk)


def skip(path: Path, stream: BinaryIO, n_bytes: int) -> None:
    """Pass over what lies between header and voxels, without keeping it."""
    while n_bytes > 0:
        chunk = stream.read(min(_CHUNK, n_bytes))
        if not chunk:
            raise DataError(f"{path}: ends before its voxels begin; copy it again.")
        n_bytes -= len(chunk)


def scaled(stored: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Return `stored * slope + intercept` as float32, computed in double precision slice by slice."""
    values = np.empty(stored.shape, np.float32, order="F")
    for z in range(stored.shape[2]):
        values[..., z] = stored[..., z] * np.float64(slope) + intercept
    return values
