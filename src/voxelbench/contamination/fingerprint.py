"""Fingerprints: what the gate compares of a scan, computed once and kept beside the prepared case."""

import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from voxelbench import paths
from voxelbench.contamination import VERSION
from voxelbench.contamination.descriptor import Descriptor, describe
from voxelbench.contamination.exact import voxel_sha256
from voxelbench.data.case import Case

_ARRAYS = tuple(item.name for item in fields(Descriptor))


@dataclass(frozen=True)
class Fingerprint:
    """The hash of the voxels, and the descriptor that copies of them share."""

    voxels: str
    descriptor: Descriptor


def read_fingerprint(case: Case, image_sha256: str) -> Fingerprint:
    """Return the fingerprint of a case of one channel: the kept one, or a new one, which is then kept."""
    path = paths.fingerprint(case.image.parent, image_sha256, case.channels[0])
    if path.is_file():
        with np.load(path) as kept:
            if int(kept["version"]) == VERSION:
                return Fingerprint(str(kept["voxels"]), Descriptor(**{name: kept[name] for name in _ARRAYS}))
    made = fingerprint(case.read()[0], case.spacing_mm)
    _keep(path, made)
    return made


def fingerprint(volume: np.ndarray, spacing_mm: tuple[float, float, float] | None) -> Fingerprint:
    """Return the fingerprint of a volume (X, Y, Z) in RAS."""
    return Fingerprint(voxel_sha256(volume), describe(volume, spacing_mm))


def _keep(path: Path, made: Fingerprint) -> None:
    """Write a fingerprint whole. Gates run side by side and may make the same one, so each writes a file of its own."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    arrays = {name: getattr(made.descriptor, name) for name in _ARRAYS}
    np.savez(partial, version=VERSION, voxels=made.voxels, **arrays)
    partial.replace(path)
