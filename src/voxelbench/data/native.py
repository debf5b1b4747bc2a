"""Native volumes: what a dataset's own files hold, and the files that a case is read from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from voxelbench.data.readers import Image, parts, read

Reader = Callable[[], Image]
"""Returns an array (X, Y, Z) and its affine, or None where the source has no spacing."""


@runtime_checkable
class Explained(Protocol):
    """A reader that says what it decided, such as a factor to SUV; asked once a case, for `sources.jsonl`."""

    def __call__(self) -> Image:
        """Read the volume."""

    def decisions(self) -> list[str]:
        """Return one phrase a decision, with numbers and units, and nothing that names a patient."""


@dataclass(frozen=True)
class NativeCase:
    """One case in its native layout: one file, folder or reader a channel, in the card's order of channels."""

    case_id: str
    patient_id: str
    channels: tuple[Path | Reader, ...]
    label: Path | Reader | None = None
    target: int | None = None
    sources: tuple[Path, ...] = field(default=())
    """The files and folders behind readers, so that a changed source is noticed when preparation is resumed."""

    def files(self) -> list[Path]:
        """Return every file that the case is read from."""
        named = [source for source in (*self.channels, self.label, *self.sources) if isinstance(source, Path)]
        return [file for source in named for file in parts(source)]


def read_native(source: Path | Reader) -> Image:
    """Read one native volume (X, Y, Z) and its affine. Raises DataError if it is missing, damaged or not one volume."""
    return read(source) if isinstance(source, Path) else source()
