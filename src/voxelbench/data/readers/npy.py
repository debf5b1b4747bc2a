"""NumPy's `.npy`: an array (X, Y, Z) as it was saved, without spacing. Nothing in it is executed."""

from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from voxelbench.data.readers.bounds import check_size, checked_dtype, checked_shape, complete
from voxelbench.data.readers.payload import read_voxels

_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def read(path: Path) -> tuple[np.ndarray, None]:
    """Read an array (X, Y, Z) without an affine. Arrays of objects, which would have to be unpickled, are refused."""
    with complete(path, "NumPy"), path.open("rb") as stream:
        declared, is_fortran, stored = _HEADERS[npy_format.read_magic(stream)](stream)
        shape, dtype = checked_shape(path, declared), checked_dtype(path, stored)
        check_size(path, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, path.stat().st_size)
        volume = read_voxels(path, stream, shape, dtype, "F" if is_fortran else "C")
    return (volume.view(np.uint8) if dtype.kind == "b" else volume), None
