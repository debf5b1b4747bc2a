"""Cases are prepared side by side, each in a process of its own; a bad one takes nothing away from the others."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing.connection import wait
from typing import TypeVar

from voxelbench.errors import ConfigError, DataError

Item = TypeVar("Item")
Done = TypeVar("Done")

_N_WORKERS = ContextVar("n_workers", default=1)


@contextmanager
def workers(n_workers: int) -> Iterator[None]:
    """Set how many processes `outcomes` uses inside the block. It changes no result, so no plug-in hears of it."""
    if n_workers < 1:
        raise ConfigError(f"--workers {n_workers}: expected 1 or more.")
    token = _N_WORKERS.set(n_workers)
    try:
        yield
    finally:
        _N_WORKERS.reset(token)


def outcomes(work: Callable[[Item], Done], items: Sequence[Item]) -> Iterator[tuple[Item, Done | DataError]]:
    """Yield every item with its result, or the DataError that it ended in, in the order in which they end.

    With several processes `work` and the items are pickled. Raises DataError if a process is killed from outside.
    """
    n_workers = min(_N_WORKERS.get(), len(items))
    if n_workers <= 1:
        yield from ((item, _attempt(work, item)) for item in items)
        return
    # Spawned, not forked: a forked child would inherit the locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_workers, context, initializer=_start_worker) as pool:
        futures = {pool.submit(_attempt, work, item): item for item in items}
        try:
            for future in as_completed(futures):
                yield futures.pop(future), future.result()
        except BrokenProcessPool:
            raise DataError(
                f"one of {n_workers} processes was killed, perhaps for want of memory; finished cases are kept: "
                "go on with fewer `--workers`."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _attempt(work: Callable[[Item], Done], item: Item) -> Done | DataError:
    try:
        return work(item)
    except DataError as error:
        return error


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, which lets running cases end; and end at once if the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
