"""How many cases are done: a bar where a person watches, else a line in the log now and then."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger(__name__)

LINE_EVERY_S = 20.0


@contextmanager
def counting(title: str, total: int, console: Console | None = None) -> Iterator[Callable[[], None]]:
    """Yield a function to be called after each case; both forms go to the standard error."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _lines(title, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)


def _lines(title: str, total: int) -> Callable[[], None]:
    done, started, last = 0, time.monotonic(), time.monotonic()

    def advance() -> None:
        nonlocal done, last
        done, now = done + 1, time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            logger.info("%s: %d of %d cases, %.0f s left", title, done, total, (now - started) * (total / done - 1))

    return advance
