"""What torchrun tells each process that it starts, and what the command line needs of it: no torch at import."""

import os
import sys
from functools import cache


def is_launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def start(n_processes: int) -> None:
    """Start this command anew as so many processes of torchrun, which replaces it; return if one is enough.

    A command that torchrun started already keeps the number of processes that it was started with.
    """
    if n_processes > 1 and not is_launched():
        torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes))
        os.execv(sys.executable, (sys.executable, *torchrun, "-m", "voxelbench", *sys.argv[1:]))


def processes() -> int:
    """Return how many processes the run has."""
    return int(os.environ["WORLD_SIZE"]) if is_launched() else 1


def processes_here() -> int:
    """Return how many of them this machine has."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if is_launched() else 1


def is_main() -> bool:
    """Whether this process speaks for the run: the first of those that torchrun started, or the only one."""
    return not is_launched() or os.environ["RANK"] == "0"


@cache
def is_first_to_fail() -> bool:
    """Whether no other process of the run has failed yet, so that this one says why. Asked by a process that fails."""
    if not is_launched():
        return True
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    # The store of torchrun itself: it outlives each of its processes, and counts them one by one.
    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    return store.add(f"voxelbench/failures/{os.environ['TORCHELASTIC_RESTART_COUNT']}", 1) == 1
