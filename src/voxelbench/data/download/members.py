"""What is in an archive: one kind of member for tar and zip, read as it comes."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

_ZIP = b"PK"
_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_MAX_READ = 1 << 20
"""Of tar's headers, and of the padding at its end; contents are read in smaller pieces."""


@dataclass(frozen=True)
class Member:
    """One entry of an archive. `is_plain`: a file or a folder, no link and no device. `extract` takes the folder."""

    name: str
    n_bytes: int
    is_folder: bool
    is_plain: bool
    extract: Callable[[Path], object]


def members_of(archive: Path) -> Iterator[Member]:
    """Yield the members in their order. Raises what tarfile and zipfile do."""
    with archive.open("rb") as file:
        beginning = file.read(6)
    if beginning.startswith(_ZIP):
        yield from _of_zip(archive)
    else:
        read = next((each for magic, each in _COMPRESSED.items() if beginning.startswith(magic)), _as_it_is)
        yield from _of_tar(archive, read)


def _of_zip(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            is_plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            yield Member(info.filename, info.file_size, info.is_dir(), is_plain, partial(file.extract, info))


def _of_tar(archive: Path, read: Callable[[Path], Any]) -> Iterator[Member]:
    with read(archive) as content, _ShortReads(content) as blocks, tarfile.open(fileobj=blocks, mode="r:") as tar:
        for info in tar:
            extract = partial(tar.extract, info, filter="data")
            yield Member(info.name, info.size, info.isdir(), info.isfile() or info.isdir(), extract)
        _check_end(blocks)


def _check_end(blocks: BinaryIO) -> None:
    """Check that nothing but the padding of a tar archive is left. Raises ReadError.

    tarfile takes a header that it cannot read, or none, for the end. Reading up to the end of a compressed archive
    checks its own checksum too.
    """
    padding = blocks.read(_MAX_READ)
    if len(padding) < tarfile.BLOCKSIZE or len(padding) == _MAX_READ or any(padding):
        raise tarfile.ReadError("the mark of its end is missing")


def _as_it_is(archive: Path) -> BinaryIO:
    return archive.open("rb")


class _ShortReads(io.BufferedReader):
    """A stream that refuses long reads: a header that says that it is huge would be read into memory at once."""

    def read(self, n_bytes: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        if n_bytes is not None and n_bytes > _MAX_READ:
            raise tarfile.ReadError(f"a header of {n_bytes} bytes")
        return super().read(n_bytes)
