"""One file, fetched whole or not at all."""

import logging
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit
from urllib.request import url2pathname

from voxelbench.data.download.address import shown
from voxelbench.data.download.checksum import Checksum
from voxelbench.data.download.http import Session, Unfinished, receive
from voxelbench.data.download.partial import BLOCK_BYTES, Partial, opened
from voxelbench.data.download.patience import Patience
from voxelbench.data.download.progress import Report, unreported
from voxelbench.errors import DataError

logger = logging.getLogger(__name__)


def fetch(
    url: str,
    dest: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    patience: Patience | None = None,
    report: Report = unreported,
    stop: Event | None = None,
) -> Path:
    """Fetch one file to `dest`, going on where a stopped fetch ended; a file that is there already is only checked.

    Two processes may fetch the same file: the second waits. `stop`, once set, ends the fetch at its next byte.

    Raises ChecksumError if the content is another than announced, DataError if the source cannot be reached, stays
    out of order, or sends more than the disk takes.
    """
    checksum, stop = Checksum.announced(shown(url), sha256, md5), stop or Event()
    try:
        if not dest.exists():
            dest.parent.mkdir(parents=True, exist_ok=True)
            with opened(dest, checksum, stop) as partial:
                if partial is not None:
                    _Fetch(url, partial, patience or Patience(), report, stop).bring()
                    return dest
        checksum.check(dest)
    except OSError as error:
        raise DataError(
            f"{shown(url)}: could not be written to {dest} ({error.strerror}); mend that and run the command again."
        ) from None
    return dest


class _Fetch:
    """Brings one partial file to its end."""

    def __init__(self, url: str, partial: Partial, patience: Patience, report: Report, stop: Event) -> None:
        self._url = url
        self._partial = partial
        self._patience = patience
        self._report = report
        self._stop = stop

    def bring(self) -> None:
        """Return when the file is whole. What came in several pieces and is wrong is fetched anew, once."""
        with Session() as session:
            may_start_anew = True
            while not self._partial.is_whole:
                self._bring_to_an_end(session)
                if not self._partial.is_whole:
                    self._throw_away(may_start_anew)
                    may_start_anew = False

    def _bring_to_an_end(self, session: Session) -> None:
        """Ask until the source has sent what it announced."""
        n_failures, furthest = 0, self._partial.n_bytes
        while not self._partial.is_whole:
            try:
                self._ask(session)
                break
            except Unfinished as failure:
                if self._partial.n_bytes > furthest:
                    n_failures, furthest = 0, self._partial.n_bytes
                n_failures += 1
                self._wait(failure, n_failures)

    def _ask(self, session: Session) -> None:
        if urlsplit(self._url).scheme == "file":
            self._copy(Path(url2pathname(urlsplit(self._url).path)))
        else:
            receive(session, self._url, self._partial, self._patience.timeout_s, self._report_or_stop)

    def _copy(self, source: Path) -> None:
        self._partial.restart()
        total = source.stat().st_size
        with source.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                self._partial.append(block)
                self._report_or_stop(self._partial.n_bytes, total)

    def _throw_away(self, may_start_anew: bool) -> None:
        """Empty the partial file. Raises ChecksumError if it was of one piece, or was thrown away before."""
        partial, found, was_of_one_piece = self._partial, self._partial.digest, not self._partial.is_resumed
        partial.restart()
        if was_of_one_piece or not may_start_anew:
            remedy = f"The source {shown(self._url)} has changed or is damaged: fetch it again."
            raise partial.checksum.mismatch(partial.path, found, remedy)

    def _wait(self, failure: Unfinished, n_failures: int) -> None:
        if n_failures >= self._patience.attempts:
            raise DataError(
                f"{shown(self._url)}: could not be fetched ({failure}), {self._partial.n_bytes} bytes are here; "
                "run the command again to go on."
            )
        seconds = self._patience.wait_s(n_failures, failure.wanted_s, shown(self._url))
        logger.info("%s: %s, again in %.1f s", shown(self._url), failure, seconds)
        self._stop.wait(seconds)
        self._refuse_if_stopped()

    def _report_or_stop(self, here: int, total: int | None) -> None:
        self._report(here, total)
        self._refuse_if_stopped()

    def _refuse_if_stopped(self) -> None:
        if self._stop.is_set():
            raise DataError(
                f"{shown(self._url)}: stopped, {self._partial.n_bytes} bytes are here; run the command again to go on."
            )
