"""Fingerprints: what the gate compares of a scan, computed once and kept beside the prepared case."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxelbench import paths
from voxelbench.contamination.exact import voxel_sha256
from voxelbench.data.case import Case

VERSION = 1
"""One more when fingerprints change: kept ones are then made anew."""


@dataclass(frozen=True)
class Fingerprint:
    """The hash of the voxels."""

    voxels: str


def read_fingerprint(case: Case, image_sha256: str) -> Fingerprint:
    """Return the fingerprint of a case of one channel: the kept one, or a new one, which is then kept."""
    path = paths.fingerprint(case.image.parent, image_sha256, case.channels[0])
    if path.is_file():
        with np.load(path) as kept:
            if int(kept["version"]) == VERSION:
                return Fingerprint(str(kept["voxels"]))
    made = fingerprint(case.read()[0])
    _keep(path, made)
    return made


def fingerprint(volume: np.ndarray) -> Fingerprint:
    """Return the fingerprint of a volume (X, Y, Z) in RAS."""
    return Fingerprint(voxel_sha256(volume))


def _keep(path: Path, made: Fingerprint) -> None:
    """Write a fingerprint whole. Gates run side by side and may make the same one, so each writes a file of its own."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(partial, version=VERSION, voxels=made.voxels)
    partial.replace(path)
