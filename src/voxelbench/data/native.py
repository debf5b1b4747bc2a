"""Native volumes: what a dataset's own files hold, read with every check that a damaged file needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from voxelbench.errors import DataError

Reader = Callable[[], tuple[np.ndarray, np.ndarray | None]]
"""Returns an array (X, Y, Z) and its affine, or None where the source has no spacing."""


@dataclass(frozen=True)
class NativeCase:
    """One case of a dataset in its native layout: one file or reader a channel, in the card's order of channels."""

    case_id: str
    patient_id: str
    channels: tuple[Path | Reader, ...]
    label: Path | Reader | None = None
    target: int | None = None
    sources: tuple[Path, ...] = field(default=())
    """The files behind readers, so that a changed source is noticed when preparation is resumed."""

    def files(self) -> list[Path]:
        """Return every file that the case is read from."""
        named = [source for source in (*self.channels, self.label) if isinstance(source, Path)]
        return [*named, *self.sources]


def read_native(source: Path | Reader) -> tuple[np.ndarray, np.ndarray | None]:
    """Read one native volume (X, Y, Z) and its affine. Raises DataError if the file is missing or truncated."""
    if not isinstance(source, Path):
        return source()
    if not source.is_file():
        raise DataError(
            f"{source}: no such file; the case is listed but its volume is missing. "
            "Restore it from the dataset's archive."
        )
    try:
        image = nib.load(source)
        volume = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, ImageFileError) as error:
        raise DataError(
            f"{source}: not a complete NIfTI file ({type(error).__name__}). It may be truncated: copy it again."
        ) from None
    if volume.ndim != 3:
        raise DataError(f"{source}: has shape {volume.shape}, expected three axes (X, Y, Z).")
    return volume, np.asarray(image.affine)
