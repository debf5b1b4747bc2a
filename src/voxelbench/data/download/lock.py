"""One process at a time: who comes second waits, and a killed process leaves nothing locked."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import BinaryIO

from voxelbench.errors import DataError

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1


@contextmanager
def exclusive(path: Path, stop: Event | None = None) -> Iterator[BinaryIO]:
    """Yield the file at `path`, made if need be, to read and append to; nobody else is given it meanwhile.

    The one who holds it may rename or remove it: those who wait then get a new file. Raises DataError where the file
    system knows no locks, and if `stop` is set while this process waits.
    """
    while True:
        file = path.open("a+b")
        try:
            _lock(file, path, stop or Event())
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


def _lock(file: BinaryIO, path: Path, stop: Event) -> None:
    n_tries = 0
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if n_tries == 0:
                logger.info("%s: waiting for another process that writes it", path)
            n_tries += 1
        if stop.wait(_LOOK_EVERY_S):
            raise DataError(f"{path}: stopped while another process writes it; run the command again to go on.")


def _is_still_there(file: BinaryIO, path: Path) -> bool:
    """Say whether the opened file still has its name: while this process waited it may have been renamed or removed."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
