"""Crops: boxes of a fixed size, read lazily and padded where they leave the volume."""

from collections.abc import Sequence

import numpy as np

from voxelbench.data.cache import Box
from voxelbench.data.case import Case

Start = tuple[int, int, int]


def random_start(shape: Sequence[int], size: Sequence[int], rng: np.random.RandomState) -> Start:
    """Draw the first voxel of a box of `size` inside a volume; an axis that is too short is centred, from below 0."""
    return tuple(_draw_start(n, length, rng) for n, length in zip(shape, size, strict=True))  # type: ignore[return-value]


def _draw_start(n: int, length: int, rng: np.random.RandomState) -> int:
    return int(rng.randint(0, n - length + 1)) if n >= length else -((length - n) // 2)


def start_around(voxel: Sequence[int], shape: Sequence[int], size: Sequence[int]) -> Start:
    """Return the start of the box centred on a voxel, pushed inside the volume where the volume is long enough."""
    return tuple(
        max(0, min(int(centre) - length // 2, n - length)) if n >= length else -((length - n) // 2)
        for centre, n, length in zip(voxel, shape, size, strict=True)
    )  # type: ignore[return-value]


def foreground_start(label: np.ndarray, shape: Sequence[int], size: Sequence[int], rng: np.random.RandomState) -> Start:
    """Draw a box around a random voxel of a random class that is present; anywhere if the label is empty."""
    present = np.flatnonzero(np.bincount(label.ravel())[1:]) + 1
    if not len(present):
        return random_start(shape, size, rng)
    voxels = np.flatnonzero(label == rng.choice(present))
    return start_around(np.unravel_index(rng.choice(voxels), label.shape), shape, size)


def read_crop(case: Case, start: Start, size: Sequence[int], channels: Sequence[str] | None = None) -> np.ndarray:
    """Return float32 (C, *size); voxels outside the volume repeat its edge, so no false tissue border appears."""
    box, padding = inside(start, size, case.shape)
    return np.pad(case.read(channels, box), [(0, 0), *padding], mode="edge")


def read_label_crop(case: Case, start: Start, size: Sequence[int]) -> np.ndarray:
    """Return uint8 `size`; voxels outside the volume are background."""
    box, padding = inside(start, size, case.shape)
    label = case.label(box)
    if label is None:
        raise ValueError(f"case {case.case_id} has no label")
    # A label map of another case (the shuffled control) can be smaller than the volume.
    missing = [(before, length - before - n) for (before, _), length, n in zip(padding, size, label.shape, strict=True)]
    return np.pad(label, missing)


def cut(volume: np.ndarray, start: Start, size: Sequence[int]) -> np.ndarray:
    """Cut (C, *size) from a volume (C, X, Y, Z) in memory; beyond it, its edge is repeated."""
    box, padding = inside(start, size, volume.shape[1:])
    return np.pad(volume[(slice(None), *box)], [(0, 0), *padding], mode="edge")


def inside(start: Start, size: Sequence[int], shape: Sequence[int]) -> tuple[Box, list[tuple[int, int]]]:
    """Return the part of a box that lies in a volume of `shape`, and what of it lies beyond, before and after it."""
    box = tuple(slice(max(0, a), min(n, a + length)) for a, n, length in zip(start, shape, size, strict=True))
    padding = [(max(0, -a), max(0, a + length - n)) for a, n, length in zip(start, shape, size, strict=True)]
    return box, padding  # type: ignore[return-value]
