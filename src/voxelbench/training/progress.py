"""Progress for a person (a bar) or for a log (plain lines, about ten a run)."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from voxelbench.training import torchrun
from voxelbench.training.loop import Report

logger = logging.getLogger(__name__)


@contextmanager
def reporting(title: str) -> Iterator[Report]:
    """Yield a function that reports steps: to a bar where a person watches, else as lines in the log."""
    if not sys.stderr.isatty() or not torchrun.is_main():
        yield _log_line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(title)

        def advance(done: int, total: int, loss: float) -> None:
            bar.update(task, completed=done, total=total, description=f"{title} loss {loss:.4f}")

        yield advance


def _log_line(done: int, total: int, loss: float) -> None:
    if done == 1 or done == total or done * 10 // total != (done - 1) * 10 // total:
        logger.info("step %d of %d, loss %.4f", done, total, loss)
