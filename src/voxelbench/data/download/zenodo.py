"""Files of a record of Zenodo, with the sizes and checksums that its API says they have."""

import re
import time
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from voxelbench.atomic import write_text
from voxelbench.cards import RemoteFile, ZenodoRecord
from voxelbench.data.download.address import shown
from voxelbench.data.download.http import Session, Unfinished, read_json
from voxelbench.data.download.lock import locked
from voxelbench.data.download.patience import Patience
from voxelbench.errors import DataError


class _File(BaseModel):
    key: str
    size: int
    checksum: str | None = None


class _Release(BaseModel):
    """What is read of the API's answer, and kept: no address, since one may hold a token."""

    id: int
    files: tuple[_File, ...]


def zenodo_files(record: ZenodoRecord, folder: Path, patience: Patience) -> list[RemoteFile]:
    """Return the files of a record that the card names.

    What the API says is kept in `folder` and asked for once, so that a download that goes on is of the same release.
    Raises DataError if the API cannot be reached, or does not list each file with an MD5 checksum.
    """
    kept = folder / f"zenodo-{record.record}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(kept):
            if kept.exists():
                return _read(record, kept.read_bytes(), str(kept), "remove it and run the command again")[1]
            url = f"{record.host}/api/records/{record.record}"
            remedy = f"look at {shown(record.host)}/records/{record.record} and mend card.yaml"
            release, files = _read(record, _ask(url, patience), shown(url), remedy)
            write_text(kept, release.model_dump_json(indent=1))
            return files
    except OSError as error:
        raise DataError(
            f"{kept}: could not be read or written ({error.strerror}); mend that and run the command again."
        ) from None


def _ask(url: str, patience: Patience) -> bytes:
    n_failures = 0
    with Session() as session:
        while True:
            try:
                return read_json(session, url, patience.timeout_s)
            except Unfinished as failure:
                n_failures += 1
                if n_failures >= patience.attempts:
                    raise DataError(f"{shown(url)}: could not be asked ({failure}); run the command again.") from None
                time.sleep(patience.wait_s(n_failures, failure.wanted_s, shown(url)))


def _read(record: ZenodoRecord, answer: bytes, source: str, remedy: str) -> tuple[_Release, list[RemoteFile]]:
    """Return an answer and the named files in it. Raises DataError, with where the answer is from and what to do."""
    try:
        release = _release(answer)
        if release.id != record.record:
            raise ValueError(f"is of record {release.id}, expected {record.record}")
        return release, [_remote(record, release, name) for name in record.files]
    except ValueError as problem:
        raise DataError(f"{source}: {problem}; {remedy}.") from None


def _release(answer: bytes) -> _Release:
    try:
        return _Release.model_validate_json(answer)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "all of it"
        raise ValueError(f"is no JSON with the files of a record ({where}: {problem['msg']})") from None


def _remote(record: ZenodoRecord, release: _Release, name: str) -> RemoteFile:
    file = next((file for file in release.files if file.key == name), None)
    if file is None:
        raise ValueError(f"lists no file '{name}', which card.yaml names")
    md5 = re.fullmatch(r"md5:([0-9a-fA-F]{32})", file.checksum or "")
    if md5 is None:
        raise ValueError(f"'{name}' has checksum {file.checksum}, expected md5:<32 digits>")
    # The address on the page of the record: the links in the answer changed their form before, and end in no name.
    url = f"{record.host}/records/{record.record}/files/{quote(name)}"
    return RemoteFile(url=url, md5=md5[1], n_bytes=file.size)
