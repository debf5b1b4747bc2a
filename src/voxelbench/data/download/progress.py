"""How far a download is: bars on a terminal, else a line now and then."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

logger = logging.getLogger(__name__)

Report = Callable[[int, int | None], None]
"""Takes the bytes that are here, and how many there are in all if that is known."""

LINE_EVERY_S = 30.0


@contextmanager
def progress(console: Console | None = None, line_every_s: float = LINE_EVERY_S) -> Iterator[Callable[[str], Report]]:
    """Yield a function that makes the report of one file, given its name. Bars go to the standard error."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda name: _lines(name, line_every_s)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console) as bars:
        yield lambda name: _bar(bars, name)


def _bar(bars: Progress, name: str) -> Report:
    task = bars.add_task(name, total=None)
    return lambda here, total: bars.update(task, completed=here, total=total)


def _lines(name: str, every_s: float) -> Report:
    last = time.monotonic()

    def report(here: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= every_s:
            last = time.monotonic()
            of_all = f" of {total / 1e6:.1f} MB ({here / total:.0%})" if total else " MB"
            logger.info("%s: %.1f%s", name, here / 1e6, of_all)

    return report


def unreported(here: int, total: int | None) -> None:
    """Report nothing."""
