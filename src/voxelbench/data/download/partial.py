"""The part of a file that has come so far. It gets the file's own name only when it is whole."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import BinaryIO

from voxelbench.data.download.checksum import Checksum
from voxelbench.data.download.lock import exclusive
from voxelbench.errors import ChecksumError

BLOCK_BYTES = 1 << 16
"""What is read at once, and what a cut connection costs at most."""

SUFFIX = ".partial"
"""At the end of the name of what is not whole yet."""


class Partial:
    """An opened `<name>.partial`: its bytes, the running checksum, and by what the source tells this file's version.

    What is there already is read once, to go on with the checksum.
    """

    def __init__(self, path: Path, file: BinaryIO, checksum: Checksum) -> None:
        self.path = path
        self.checksum = checksum
        self.n_bytes = 0
        self.is_resumed = False
        """Whether what is here came in more than one answer."""
        self._file = file
        self._validator = validator_path(path)
        self._hash = hashlib.new(checksum.algorithm)
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            self._count(block)

    @property
    def validator(self) -> str | None:
        """What the source called the version that these bytes are of (an ETag or a date), if it said so."""
        return self._validator.read_text(encoding="utf-8") if self._validator.is_file() else None

    @property
    def digest(self) -> str:
        """The checksum of what is here."""
        return self._hash.hexdigest()

    @property
    def is_whole(self) -> bool:
        """Whether what is here is the announced file."""
        return self.digest == self.checksum.expected

    def append(self, block: bytes) -> None:
        """Write the next bytes."""
        self._file.write(block)
        self._count(block)

    def restart(self, validator: str | None = None) -> None:
        """Throw away what is here; what comes next is of the version `validator`."""
        self._file.truncate(0)
        self.n_bytes = 0
        self.is_resumed = False
        self._hash = hashlib.new(self.checksum.algorithm)
        self._validator.unlink(missing_ok=True)
        if validator is not None:
            self._validator.write_text(validator, encoding="utf-8")

    def flush(self) -> None:
        """Bring what was written to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def _count(self, block: bytes) -> None:
        self._hash.update(block)
        self.n_bytes += len(block)


def partial_path(dest: Path) -> Path:
    """Return where a file lies until it is whole."""
    return dest.with_name(dest.name + SUFFIX)


def validator_path(partial: Path) -> Path:
    """Return where the version of a partial file is noted."""
    return partial.with_name(partial.name + ".version")


@contextmanager
def opened(dest: Path, checksum: Checksum, stop: Event) -> Iterator[Partial | None]:
    """Yield the partial file of `dest`, which becomes `dest` at the end if it is whole.

    Yields None if another process brought `dest` meanwhile. An error leaves what has come for the next fetch.
    """
    path = partial_path(dest)
    with exclusive(path, stop) as file:
        if dest.exists():
            path.unlink()
            yield None
            return
        partial = Partial(path, file, checksum)
        try:
            yield partial
        except ChecksumError:
            path.unlink()
            raise
        partial.flush()
        path.replace(dest)
        validator_path(path).unlink(missing_ok=True)
