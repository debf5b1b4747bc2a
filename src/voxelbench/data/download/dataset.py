"""All files of a dataset: several at a time, and one failure does not lose the others."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from voxelbench.atomic import write_text
from voxelbench.cards import DatasetCard, RemoteFile
from voxelbench.data.download.address import shown
from voxelbench.data.download.archive import is_archive, unpack
from voxelbench.data.download.checksum import Checksum
from voxelbench.data.download.disk import check_space
from voxelbench.data.download.fetching import fetch
from voxelbench.data.download.http import Session, size
from voxelbench.data.download.partial import partial_path
from voxelbench.data.download.patience import Patience
from voxelbench.data.download.progress import progress
from voxelbench.data.download.zenodo import zenodo_files
from voxelbench.errors import DataError, VoxelbenchError

N_PARALLEL = 4
"""Hosts of data limit the connections of one client; more of them are seldom faster."""

ARCHIVES = "archives"


def download_archives(raw: Path, card: DatasetCard, patience: Patience | None = None) -> None:
    """Fetch the files of an open dataset, and unpack the archives among them side by side in `raw`.

    Files that are there already are only checked. Archives stay in `raw/archives`; what was unpacked from the archive
    that the card names needs it no longer. Raises DataError for a folder that was unpacked from another one.
    """
    patience = patience or Patience()
    of_records = (zenodo_files(record, raw / ARCHIVES, patience) for record in card.zenodo)
    files = {_place(raw, file.url): file for file in chain(card.files, *of_records)}
    archives = {dest: raw / dest.name.split(".")[0] for dest in files if is_archive(dest.name)}
    packed = {dest: folder for dest, folder in archives.items() if not _is_unpacked(dest, folder, files[dest])}
    wanted = {dest: file for dest, file in files.items() if dest in packed or dest not in archives}
    fetch_all(wanted, [dest for dest, folder in packed.items() if not folder.exists()], patience)
    for archive, folder in packed.items():
        unpack(archive, folder)
        write_text(_stamp(archive), _checksum(files[archive]))


def fetch_all(
    files: Mapping[Path, RemoteFile], to_unpack: Collection[Path] = (), patience: Patience | None = None
) -> None:
    """Fetch each file to its path.

    Args:
        files: what to fetch, by where to put it.
        to_unpack: those that will be unpacked on the same disk, where as much room again has to be.
        patience: how long to bear with a source that fails.

    Raises:
        DataError: if there is too little room, before anything is fetched; or with everything that went wrong, after
            all files were tried.
    """
    patience = patience or Patience()
    _check_room(files, to_unpack, patience)
    stop = Event()
    with progress() as report_of, ThreadPoolExecutor(N_PARALLEL) as pool:
        fetches = [
            pool.submit(
                fetch,
                file.url,
                dest,
                sha256=file.sha256,
                md5=file.md5,
                patience=patience,
                report=report_of(dest.name),
                stop=stop,
            )
            for dest, file in files.items()
        ]
        try:
            errors = [error for error in [each.exception() for each in fetches] if error is not None]
        except BaseException:
            stop.set()
            raise
    _raise_all(errors, len(files))


def _is_unpacked(archive: Path, folder: Path, file: RemoteFile) -> bool:
    """Say whether a folder was unpacked from the archive that the card names. Raises DataError if from another one."""
    stamp = _stamp(archive)
    if not (folder.exists() and stamp.exists()):
        return False
    if stamp.read_text(encoding="utf-8") != _checksum(file):
        raise DataError(
            f"{folder}: was unpacked from another archive than the card names; remove it and {stamp}, "
            "then run the command again."
        )
    return True


def _stamp(archive: Path) -> Path:
    """Return where the checksum of an archive stays after it was unpacked."""
    return archive.with_name(archive.name + ".unpacked")


def _checksum(file: RemoteFile) -> str:
    return Checksum.announced(shown(file.url), file.sha256, file.md5).expected


def _place(raw: Path, url: str) -> Path:
    name = Path(urlsplit(url).path).name
    return raw / ARCHIVES / name if is_archive(name) else raw / name


def _check_room(files: Mapping[Path, RemoteFile], to_unpack: Collection[Path], patience: Patience) -> None:
    """Check that what is missing fits on the disk, as far as its size is known."""
    n_bytes = 0
    with Session() as session:
        for dest, file in files.items():
            whole = file.n_bytes or size(session, file.url, patience.timeout_s) or 0
            n_bytes += whole - _bytes_here(dest) + (whole if dest in to_unpack else 0)
    for dest in list(files)[:1]:
        check_space(dest.parent, n_bytes, ", ".join(path.name for path in files))


def _bytes_here(dest: Path) -> int:
    here = (path for path in (dest, partial_path(dest)) if path.exists())
    return sum(path.stat().st_size for path in here)


def _raise_all(errors: Sequence[BaseException], n_files: int) -> None:
    for error in errors:
        if len(errors) == 1 or not isinstance(error, VoxelbenchError):
            raise error
    if errors:
        raise DataError(f"{len(errors)} of {n_files} files could not be fetched: {' '.join(map(str, errors))}")
