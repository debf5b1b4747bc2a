"""One request over HTTP: what is missing of a file is appended to what has come, if both are of one version."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from voxelbench.data.download.address import shown
from voxelbench.data.download.disk import check_space
from voxelbench.data.download.partial import BLOCK_BYTES, Partial
from voxelbench.data.download.progress import Report
from voxelbench.errors import DataError

# Its warnings quote whole addresses, and an address may hold a token.
logging.getLogger("urllib3").setLevel(logging.ERROR)

_FAILURES = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_WORTH_ANOTHER_TRY = {requests.codes.request_timeout, requests.codes.too_many_requests}
_SERVER_ERROR = 500

MAX_JSON_BYTES = 1 << 24
"""A list of files is some kilobytes long; what is cut here is no JSON."""


class Unfinished(Exception):
    """A request did not bring the whole file; another may. `wanted_s` is what the source asks to wait."""

    def __init__(self, reason: str, wanted_s: float | None = None) -> None:
        super().__init__(reason)
        self.wanted_s = wanted_s


class Session(requests.Session):
    """A session that is not led from an encrypted connection to an open one."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where a response leads to, if anywhere. Raises DataError if that gives up encryption."""
        target = super().get_redirect_target(resp)
        if target and urlsplit(resp.url).scheme == "https" and urlsplit(urljoin(resp.url, target)).scheme != "https":
            raise DataError(
                f"{shown(resp.url)}: leads to an address without encryption, {shown(urljoin(resp.url, target))}, "
                "which is refused; look for a new address at the publisher's and mend card.yaml."
            )
        return target


def size(session: Session, url: str, timeout_s: float) -> int | None:
    """Return the bytes of a file as its source announces them, or None if it does not say."""
    try:
        response = session.head(url, headers=_IDENTITY, allow_redirects=True, timeout=timeout_s)
    except requests.RequestException:
        return None
    return _content_length(response) if response.ok else None


def receive(session: Session, url: str, partial: Partial, timeout_s: float, report: Report) -> None:
    """Append what is missing to `partial`.

    Raises Unfinished if less came than was announced or the source is out of order, DataError if it refuses.
    """
    headers = _headers(partial)
    with _failures_named(url), session.get(url, headers=headers, stream=True, timeout=timeout_s) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            partial.restart()  # What is here is longer than what the source has, or of another file.
            raise Unfinished("status 416")
        _check_status(response, url)
        if response.status_code == requests.codes.partial_content:
            _check_continues(response, partial)
        else:
            partial.restart(_validator(response))
        _append(response, partial, report)


def read_json(session: Session, url: str, timeout_s: float) -> bytes:
    """Return the JSON at an address, of which the first MAX_JSON_BYTES are read. Raises what `receive` does."""
    headers = _IDENTITY | {"Accept": "application/json"}
    with _failures_named(url), session.get(url, headers=headers, stream=True, timeout=timeout_s) as response:
        _check_status(response, url)
        body: bytes = response.raw.read(MAX_JSON_BYTES, decode_content=True)
        return body


@contextmanager
def _failures_named(url: str) -> Iterator[None]:
    try:
        yield
    except requests.exceptions.SSLError:
        raise DataError(f"{shown(url)}: its certificate is not valid; check the address and this machine.") from None
    except (*_FAILURES, urllib3.exceptions.HTTPError) as error:
        raise Unfinished(type(error).__name__) from None
    except requests.RequestException as error:
        raise DataError(f"{shown(url)}: could not be fetched ({type(error).__name__}); mend card.yaml.") from None


# Bytes as they are stored: ranges, lengths and checksums are those of the file.
_IDENTITY = {"Accept-Encoding": "identity"}


def _headers(partial: Partial) -> dict[str, str]:
    if not partial.n_bytes:
        return _IDENTITY
    headers = _IDENTITY | {"Range": f"bytes={partial.n_bytes}-"}
    return headers if partial.validator is None else headers | {"If-Range": partial.validator}


def _validator(response: requests.Response) -> str | None:
    """Return what tells this version of the file from others; a weak ETag does not."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _check_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in (requests.codes.ok, requests.codes.partial_content):
        return
    if status in _WORTH_ANOTHER_TRY or status >= _SERVER_ERROR:
        raise Unfinished(f"status {status}", _retry_after(response))
    raise DataError(
        f"{shown(url)}: the source answers with status {status} ({response.reason}); "
        "look for a new address at the publisher's and mend card.yaml."
    )


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After")
    try:
        return None if value is None else urllib3.Retry().parse_retry_after(value)
    except urllib3.exceptions.InvalidHeader:
        return None


def _check_continues(response: requests.Response, partial: Partial) -> None:
    """Raise Unfinished, and start anew, unless the answer begins where `partial` ends and is of the same version."""
    said = response.headers.get("Content-Range", "nothing")
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", said)
    wanted, known, has = partial.n_bytes, partial.validator, _validator(response)
    if found and int(found[1]) == wanted and (known is None or has is None or has == known):
        partial.is_resumed = wanted > 0
        return
    partial.restart()
    raise Unfinished(f"asked for bytes from {wanted} on, the source says '{said}'")


def _append(response: requests.Response, partial: Partial, report: Report) -> None:
    missing = _content_length(response)
    total = None if missing is None else partial.n_bytes + missing
    check_space(partial.path.parent, missing or 0, partial.path.name)
    for block in response.raw.stream(BLOCK_BYTES, decode_content=False):
        partial.append(block)
        report(partial.n_bytes, total)
    if total is not None and partial.n_bytes != total:
        raise Unfinished(f"{total} bytes announced")


def _content_length(response: requests.Response) -> int | None:
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdecimal() else None
