"""One process at a time: who comes second waits, and a killed process leaves nothing locked."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from voxelbench.errors import DataError

logger = logging.getLogger(__name__)


@contextmanager
def exclusive(path: Path) -> Iterator[BinaryIO]:
    """Yield the file at `path`, made if need be, to read and append to; nobody else is given it meanwhile.

    The one who holds it may rename or remove it: those who wait then get a new file. Raises DataError where the file
    system knows no locks.
    """
    while True:
        file = path.open("a+b")
        try:
            _lock(file, path)
        except OSError as error:
            file.close()
            raise DataError(
                f"{path}: this file system cannot lock files ({error.strerror}), so two processes could write the same "
                "one; use a folder on another."
            ) from None
        if _is_still_there(file, path):
            break
        file.close()
    with file:
        yield file


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from making `path` meanwhile, by a file beside it."""
    lock = path.with_name(path.name + ".lock")
    with exclusive(lock):
        try:
            yield
        finally:
            lock.unlink()


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.info("%s: waiting for another process that writes it", path)
        fcntl.flock(file, fcntl.LOCK_EX)


def _is_still_there(file: BinaryIO, path: Path) -> bool:
    """Say whether the opened file still has its name: while this process waited it may have been renamed or removed."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
