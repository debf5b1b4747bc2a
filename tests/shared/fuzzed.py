"""Reads damaged files one after another, within bounds: `python fuzzed.py FOLDER N_CASES KIND...`.

A process of its own, so that a crash or a hang of a C library is a failed test and no dead suite. Prints a JSON line
before each file, which one it is, and another after it, how it ended.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from damage import Kind
from fuzz_images import IMAGES
from fuzz_texts import TEXTS

from voxelbench.errors import VoxelbenchError

KINDS = IMAGES | TEXTS
MAX_ADDED_BYTES, MAX_SECONDS = 1 << 28, 2.0


def outcome(kind: Kind, path: Path, is_cut: bool) -> str:
    """Return "read" for what was read and holds, the sentence of a refusal, or what else went wrong after a "!"."""
    try:
        kind.holds(kind.read(path), path, is_cut)
    except VoxelbenchError as error:
        sentence = str(error)
        is_one = "\n" not in sentence and sentence.endswith(".") and str(path.parent) in sentence
        return sentence if is_one and "MemoryError" not in sentence else f"! {sentence}"
    except Exception as error:
        return f"! {type(error).__name__}: {error}"
    return "read"


def limit_memory() -> None:
    """Let this process ask the system for some more memory than it has by now, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MAX_ADDED_BYTES,) * 2)


def damage_all(kind: Kind, folder: Path, n_cases: int) -> Iterator[dict[str, object]]:
    """Damage and read `n_cases` files of a kind; yield the number of each, and then how it ended."""
    folder.mkdir()
    path = folder / kind.name
    kind.write(path)
    sound = path.read_bytes()
    kind.holds(kind.read(path), path, False)
    for number in range(n_cases):
        yield {"number": number}
        damaged = kind.damaged(sound, np.random.RandomState(number))
        path.write_bytes(damaged)
        started = time.process_time()
        ended = outcome(kind, path, is_cut=sound.startswith(damaged) and damaged != sound)
        taken = time.process_time() - started
        yield {"ended": ended if taken < MAX_SECONDS else f"! took {taken:.1f} s of processor time"}


def main(folder: Path, n_cases: int, kinds: list[str]) -> None:
    """Damage and read `n_cases` files of each kind."""
    limit_memory()
    for kind in kinds:
        for event in damage_all(KINDS[kind], folder / kind, n_cases):
            print(json.dumps({"kind": kind, **event}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
