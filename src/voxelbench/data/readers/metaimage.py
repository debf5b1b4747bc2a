"""MetaImage: `.mha` in one file, `.mhd` beside its `.raw` or `.zraw`. ITK reads it once the header has been checked."""

import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from nibabel.affines import from_matvec

from voxelbench.data.readers.bounds import DEFLATE, check_size, checked_affine, checked_shape, complete
from voxelbench.errors import DataError

_BYTES = {
    **{"MET_UCHAR": 1, "MET_CHAR": 1, "MET_USHORT": 2, "MET_SHORT": 2, "MET_UINT": 4, "MET_INT": 4},
    **{"MET_FLOAT": 4, "MET_DOUBLE": 8},
}
_MAX_HEADER = 1 << 16
_DATA = "ElementDataFile"
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a volume (X, Y, Z) and its affine, turned from ITK's LPS to RAS."""
    with complete(path, "MetaImage"):
        header, n_header = _read_header(path)
        shape = checked_shape(path, [int(length) for length in header["DimSize"].split()])
        _check_voxels(path, header, n_header, int(np.prod(shape, dtype=np.int64)))
        image = sitk.ReadImage(path)
        direction = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
        affine = from_matvec(_LPS_TO_RAS @ direction, _LPS_TO_RAS @ image.GetOrigin())
        return sitk.GetArrayFromImage(image).T, checked_affine(path, affine)


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


def _check_voxels(path: Path, header: dict[str, str], n_header: int, n_voxels: int) -> None:
    """Check that the file of the voxels lies beside the header and holds all that is declared, and no more."""
    if header.get("ElementNumberOfChannels", "1") != "1" or header.get("HeaderSize", "0") != "0":
        raise DataError(f"{path}: has several channels or a header before its voxels, expected neither; convert it.")
    if header["ElementType"] not in _BYTES:
        raise DataError(f"{path}: has voxels of type {header['ElementType']}, expected one of {', '.join(_BYTES)}.")
    n_bytes = n_voxels * _BYTES[header["ElementType"]]
    name = header[_DATA]
    voxels, n_before = (path, n_header) if name == "LOCAL" else (path.parent / name, 0)
    if voxels.parent != path.parent or not voxels.resolve().is_relative_to(path.parent.resolve()):
        raise DataError(f"{path}: keeps its voxels in '{name}', expected one file beside it; put it there.")
    if not voxels.is_file():
        raise DataError(f"{path}: its voxels {voxels.name} are missing; restore the file.")
    available = voxels.stat().st_size - n_before
    is_compressed = header.get("CompressedData", "False").lower() == "true"
    check_size(voxels, n_bytes, available, DEFLATE if is_compressed else 1)
    if is_compressed and _inflated_size(voxels, n_before, n_bytes) != n_bytes:
        raise DataError(
            f"{voxels}: does not hold the {n_bytes} bytes of voxels that {path.name} declares; copy it again."
        )


def _inflated_size(path: Path, n_before: int, n_bytes: int) -> int:
    """Inflate to nowhere: ITK would take the beginning of a damaged stream for the whole. -1 if it has no end."""
    inflate, n_inflated = zlib.decompressobj(), 0
    with path.open("rb") as file:
        file.seek(n_before)
        while not inflate.eof and n_inflated <= n_bytes and (chunk := file.read(1 << 16)):
            n_inflated += len(inflate.decompress(chunk))
    return n_inflated if inflate.eof else -1
