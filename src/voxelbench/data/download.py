"""Open data: fetched whole or not at all, checked against a checksum, and unpacked without executing anything."""

import ast
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from requests.adapters import HTTPAdapter
from unearth import PackageFinder
from urllib3.util import Retry

from voxelbench.errors import ChecksumError, ConfigError, DataError

MAX_EXPANSION = 100
"""Files that unpack to more than this many times the archive's size are refused; volumes reach about 5."""

_BLOCK_BYTES = 1 << 20
_TIMEOUT_S = 60
_DEFAULT_INDEX = "https://pypi.org/simple"


def fetch(url: str, dest: Path, *, sha256: str | None = None, md5: str | None = None) -> Path:
    """Fetch one file to `dest`, going on where a stopped fetch ended; a file that is there already is only checked.

    Raises ChecksumError if the content is another than announced, DataError if the source cannot be reached.
    """
    algorithm, expected = _checksum(url, sha256, md5)
    if dest.exists():
        _check(dest, algorithm, expected, "Delete it and fetch it again.")
        return dest
    dest.parent.mkdir(parents=True, exist_ok=True)
    partial = dest.with_name(dest.name + ".partial")
    if urlsplit(url).scheme == "file":
        shutil.copyfile(url2pathname(urlsplit(url).path), partial)
    else:
        _download(url, partial)
    try:
        _check(partial, algorithm, expected, f"The source {url} has changed or is damaged: fetch it again.")
    except ChecksumError:
        partial.unlink()
        raise
    partial.replace(dest)
    return dest


def fetch_sdist(package: str, version: str, sha256: str, dest: Path) -> Path:
    """Fetch the source archive of a Python package, from wherever pip on this machine would take it.

    The archive is never installed and none of its code is run.
    """
    sources = _pip_sources()
    finder = PackageFinder(
        index_urls=sources["index-url"] + sources["extra-index-url"],
        find_links=sources["find-links"],
        no_binary=[":all:"],
        ignore_compatibility=True,
    )
    found = finder.find_best_match(f"{package}=={version}").best
    if found is None:
        raise DataError(
            f"{package}=={version}: pip's package index has no source archive of it; "
            "check the network and `pip config list`."
        )
    return fetch(found.link.url_without_fragment, dest, sha256=sha256)


def unpack(archive: Path, dest: Path, members: Sequence[str] = ("*",)) -> None:
    """Unpack the members of a tar archive that match one of the patterns, whole or not at all.

    A `dest` that exists is complete and is left alone. Raises DataError for a damaged archive, a pattern without a
    match, a member that would leave `dest`, a link, and an archive that expands beyond MAX_EXPANSION.
    """
    if dest.exists():
        return
    partial = dest.with_name(dest.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    unmatched = set(members)
    try:
        with tarfile.open(archive) as tar:
            for member in _bounded(tar, archive):
                matching = {pattern for pattern in members if fnmatchcase(member.name, pattern)}
                unmatched -= matching
                if matching:
                    _refuse_unsafe(member, archive)
                    tar.extract(member, partial, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"{archive}: not a whole tar archive ({type(error).__name__}: {error}). Delete it and fetch it again."
        ) from None
    if unmatched:
        raise DataError(f"{archive}: holds nothing that matches '{min(unmatched)}'; expected another release of it?")
    partial.replace(dest)


def _checksum(url: str, sha256: str | None, md5: str | None) -> tuple[str, str]:
    if sha256:
        return "sha256", sha256
    if md5:
        return "md5", md5
    raise ConfigError(f"{url}: has no checksum; add `sha256` (or `md5`) to the file's entry in card.yaml.")


def _check(path: Path, algorithm: str, expected: str, remedy: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != expected:
        raise ChecksumError(f"{path}: has {algorithm} {found}, expected {expected}. {remedy}")


def _download(url: str, partial: Path) -> None:
    """Append what is missing to `partial`."""
    session = requests.Session()
    session.mount(
        "https://", HTTPAdapter(max_retries=Retry(total=4, backoff_factor=1, status_forcelist=(502, 503, 504)))
    )
    n_bytes = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={n_bytes}-"} if n_bytes else {}
    try:
        with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # nothing is missing; the checksum decides
            response.raise_for_status()
            resumes = response.status_code == requests.codes.partial_content
            with partial.open("ab" if resumes else "wb") as file:
                for block in response.iter_content(_BLOCK_BYTES):
                    file.write(block)
    except requests.RequestException as error:
        n_bytes = partial.stat().st_size if partial.exists() else 0
        raise DataError(
            f"{url}: could not be fetched ({type(error).__name__}), {n_bytes} bytes are here; "
            "run the command again to go on."
        ) from None


def _pip_sources() -> dict[str, list[str]]:
    """Return the package sources that pip is configured with, from its files and its environment variables."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    sources: dict[str, list[str]] = {"index-url": [], "extra-index-url": [], "find-links": []}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        option = key.rpartition(".")[2]
        if option in sources:
            sources[option] += str(ast.literal_eval(value)).split()
    sources["index-url"] = sources["index-url"] or [_DEFAULT_INDEX]
    return sources


def _bounded(tar: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members one by one, and stop before the first that lies beyond the allowed size."""
    allowed, total = MAX_EXPANSION * archive.stat().st_size, 0
    for member in tar:
        total += member.size
        if total > allowed:
            raise DataError(
                f"{archive}: unpacks to more than {allowed / 1e6:.1f} MB, {MAX_EXPANSION} times its size. "
                "It is not the expected archive: delete it and fetch it again."
            )
        yield member


def _refuse_unsafe(member: tarfile.TarInfo, archive: Path) -> None:
    path = Path(member.name)
    if path.is_absolute() or ".." in path.parts:
        problem = "would be written outside of its folder"
    elif not (member.isfile() or member.isdir()):
        problem = "is a link or a device"
    else:
        return
    raise DataError(
        f"{archive}: member '{member.name}' {problem}, so the archive is refused; get it from its publisher."
    )
