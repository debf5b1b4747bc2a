"""A folder of images, one a slice, as radiology exports them: 8-bit grey levels without spacing."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from voxelbench.data.readers.bounds import checked_shape, complete
from voxelbench.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg")


def read(folder: Path) -> tuple[np.ndarray, None]:
    """Read the images of a folder as (X, Y, Z): X along a row, Y down the columns, Z in the order of the names."""
    slices = files(folder)
    if not slices:
        raise DataError(f"{folder}: holds no slice ({', '.join(SUFFIXES)}) and no DICOM file; unpack it again.")
    return read_slices(slices), None


def files(folder: Path) -> list[Path]:
    """Return the images of a folder in the order of the numbers in their names: 2.png before 10.png."""
    return sorted((file for file in folder.iterdir() if _is_slice(file)), key=_natural_order)


def read_slices(slices: Sequence[Path]) -> np.ndarray:
    """Read images into one volume (X, Y, Z), int16. Raises DataError if one is damaged or of another size."""
    first = _read_slice(slices[0])
    volume = np.empty(checked_shape(slices[0], (*first.shape, len(slices))), np.int16)
    for z, file in enumerate(slices):
        pixels = _read_slice(file)
        if pixels.shape != first.shape:
            raise DataError(
                f"{file}: has {pixels.shape[0]} x {pixels.shape[1]} pixels, the scan's first slice {slices[0].name} "
                f"{first.shape[0]} x {first.shape[1]}; restore it or remove the scan."
            )
        volume[..., z] = pixels
    return volume


def _is_slice(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def _natural_order(file: Path) -> list[tuple[bool, int, str]]:
    parts = re.findall(r"\d+|\D+", file.stem)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _read_slice(file: Path) -> np.ndarray:
    """Return the grey levels (X, Y) of one image, uint8."""
    with complete(file, "image"), Image.open(file) as image:
        if image.mode[0] in "IF":
            raise DataError(f"{file}: has pixels of mode {image.mode}, expected 8 bits; fetch the scan again.")
        checked_shape(file, (*image.size, 1, 1))
        return np.asarray(image.convert("L")).T
