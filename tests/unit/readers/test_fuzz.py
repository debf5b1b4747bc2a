"""Damaged files end in one sentence, or in what the file says: within bounds of time and memory, never in a crash."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import fuzz_images
import fuzzed
import pytest

from voxelbench.errors import DataError

N_CASES = 130
GROUPS = {
    "plain": ("nifti", "gzip", "npy", "stack"),
    "nrrd": ("nrrd", "nrrd_gzip", "nrrd_bzip2", "cache"),
    "itk and dicom": ("metaimage", "metaimage_zlib", "dicom", "pet", "segmentation"),
    "tables and lists": ("journal", "list", "folds", "search", "manifest", "splits", "metadata"),
}
"""Kinds that share a process: to start one takes longer than to read 130 files."""
MADE_AGAIN = {"journal"}
"""What is lost of these is made again, and nothing is refused."""
HANG_S = 200


def read_damaged(kinds, n_cases, folder):
    """Return how each of the damaged files ended. A crash or a hang fails here, with the file that it was."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, fuzzed.__file__, str(folder), str(n_cases), *kinds]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_S, check=False)
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert process.returncode == 0, f"{lines[-1:]} ended with {process.returncode}: {process.stderr[-2000:]}"
    return [(line["kind"], line["ended"]) for line in lines if "ended" in line]


@pytest.mark.parametrize("kinds", GROUPS.values(), ids=GROUPS)
def test_damaged_files(kinds, tmp_path):
    ended = read_damaged(kinds, N_CASES, tmp_path)
    assert [(kind, how) for kind, how in ended if how.startswith("!")] == []
    assert Counter(kind for kind, _ in ended) == dict.fromkeys(kinds, N_CASES)
    n_refused = Counter(kind for kind, how in ended if how != "read")
    assert all((n_refused[kind] > N_CASES / 4) == (kind not in MADE_AGAIN) for kind in kinds)


def test_every_kind_is_damaged_and_all_are_two_thousand():
    assert sorted(kind for kinds in GROUPS.values() for kind in kinds) == sorted(fuzzed.KINDS)
    assert N_CASES * len(fuzzed.KINDS) >= 2000


def raising(error):
    def read(path):
        raise error

    return read


@pytest.mark.parametrize(
    "read",
    [
        raising(ValueError("unforeseen")),
        raising(MemoryError()),
        raising(DataError("which file?")),
        lambda path: (fuzz_images.VOLUME[::-1], fuzz_images.AFFINE),
        lambda path: (fuzz_images.VOLUME, fuzz_images.AFFINE + 0.01),
    ],
)
def test_what_goes_wrong_is_noticed(read, tmp_path):
    kind = fuzzed.KINDS["gzip"]
    kind.write(tmp_path / kind.name)
    assert fuzzed.outcome(kind, tmp_path / kind.name, is_cut=False) == "read"
    assert fuzzed.outcome(replace(kind, read=read), tmp_path / kind.name, is_cut=False).startswith("!")


def test_a_crash_is_noticed(tmp_path):
    with pytest.raises(AssertionError, match="KeyError"):
        read_damaged(("no such kind",), 1, tmp_path)
