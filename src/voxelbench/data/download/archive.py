"""Archives, unpacked whole or not at all. Nothing in them is trusted, and nothing is executed."""

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath, PureWindowsPath
from unicodedata import normalize

from voxelbench.data.download.disk import check_space
from voxelbench.data.download.lock import locked
from voxelbench.data.download.members import Member, members_of
from voxelbench.data.download.partial import SUFFIX
from voxelbench.errors import DataError

MAX_EXPANSION = 100
"""Files that unpack to more than this many times the archive's size are refused; volumes reach about 5."""

MAX_MEMBERS = 1_000_000
"""Archives with more members are refused; the largest release of slices has a few hundred thousand."""

_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
    RuntimeError,  # of zipfile, for encrypted members and compressions that it does not know
)


def is_archive(name: str) -> bool:
    """Say whether a file of this name is an archive that `unpack` knows."""
    return name.lower().endswith(_SUFFIXES)


def unpack(archive: Path, dest: Path, members: Sequence[str] = ("*",)) -> None:
    """Unpack the members of a tar or zip archive that match one of the patterns, whole or not at all.

    A `dest` that exists is complete and is left alone. Raises DataError for a damaged archive, a pattern without a
    match, a member that would leave `dest` or fall on another one, a link, a device, and an archive that expands
    beyond MAX_EXPANSION, MAX_MEMBERS or the room on the disk.
    """
    dest.parent.mkdir(parents=True, exist_ok=True)
    with locked(dest):
        if dest.exists():
            return
        unpacked = dest.with_name(dest.name + SUFFIX)
        shutil.rmtree(unpacked, ignore_errors=True)
        try:
            _unpack(archive, unpacked, members)
            unpacked.replace(dest)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)


def _unpack(archive: Path, out: Path, patterns: Sequence[str]) -> None:
    unmatched, names = set(patterns), _Names(archive)
    out.mkdir()
    try:
        for member in _bounded(archive, out):
            matching = {pattern for pattern in patterns if fnmatchcase(member.name, pattern)}
            unmatched -= matching
            if matching:
                names.add(member)
                member.extract(out)
    except _DAMAGED as error:
        raise DataError(
            f"{archive}: not a whole tar or zip archive ({type(error).__name__}: {error}). "
            "Delete it and fetch it again."
        ) from None
    if unmatched:
        raise DataError(f"{archive}: holds nothing that matches '{min(unmatched)}'; expected another release of it?")


def _bounded(archive: Path, out: Path) -> Iterator[Member]:
    """Yield the members one by one, and stop before the first that lies beyond what is allowed."""
    allowed, total = MAX_EXPANSION * archive.stat().st_size, 0
    for number, member in enumerate(members_of(archive), start=1):
        total += member.n_bytes
        if total > allowed:
            problem = f"unpacks to more than {allowed / 1e6:.1f} MB, {MAX_EXPANSION} times its size"
        elif number > MAX_MEMBERS:
            problem = f"has more than {MAX_MEMBERS} members"
        else:
            check_space(out, member.n_bytes, str(archive))
            yield member
            continue
        raise DataError(f"{archive}: {problem}. It is not the expected archive: delete it and fetch it again.")


class _Names:
    """The names that came out of an archive. Two that differ in case alone are one file on some disks."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._spelling: dict[str, PurePosixPath] = {}
        self._files: set[PurePosixPath] = set()

    def add(self, member: Member) -> None:
        """Take one name. Raises DataError if it may not be written."""
        problem = self._problem(member)
        if problem:
            raise DataError(
                f"{self._archive}: member '{member.name}' {problem}, so the archive is refused; "
                "get it from its publisher."
            )

    def _problem(self, member: Member) -> str | None:
        path = PurePosixPath(member.name)
        there = PureWindowsPath(member.name)  # splits at / and \\, and knows drives
        if there.anchor or ".." in there.parts:
            return "would be written outside of its folder"
        if not member.is_plain:
            return "is a link or a device"
        for part in (path, *path.parents):
            spelling = self._spelling.setdefault(normalize("NFC", str(part)).casefold(), part)
            if spelling != part or part in self._files:
                return f"would be written over '{spelling}'"
        if not member.is_folder:
            self._files.add(path)
        return None
