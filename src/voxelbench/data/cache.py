"""Volumes on disk: one chunked HDF5 file each, so that a crop is read without the rest. Equal input, equal bytes."""

import errno
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from voxelbench.atomic import written_whole
from voxelbench.errors import DataError

Box = tuple[slice, slice, slice]

_DATASET = "volume"
_CHUNK = 32


def write_volume(path: Path, volume: np.ndarray) -> None:
    """Write a volume (C, X, Y, Z) or a label map (X, Y, Z), whole or not at all.

    Raises DataError if the disk is full.
    """
    if volume.ndim == 4:
        write_channels(path, list(volume))
        return
    with _new_dataset(path, volume.shape, volume.dtype) as stored:
        stored[...] = volume


def write_channels(path: Path, channels: Sequence[np.ndarray]) -> None:
    """Write a volume (C, X, Y, Z) channel by channel, so that they need not all be in memory, whole or not at all.

    All channels are stored in one type, which holds the values of each. Raises DataError if the disk is full.
    """
    shape, dtype = (len(channels), *channels[0].shape), np.result_type(*(channel.dtype for channel in channels))
    with _new_dataset(path, shape, dtype) as stored:
        for index, channel in enumerate(channels):
            stored[index] = channel


@contextmanager
def _new_dataset(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[h5py.Dataset]:
    chunks = tuple(1 for _ in shape[:-3]) + tuple(min(_CHUNK, length) for length in shape[-3:])
    try:
        with written_whole(path) as partial, h5py.File(partial, "w", track_order=False) as file:
            yield file.create_dataset(
                _DATASET, shape, dtype, chunks=chunks, compression="gzip", compression_opts=1, shuffle=True
            )
    except OSError as error:
        if error.errno != errno.ENOSPC and "No space left" not in str(error):
            raise
        raise DataError(
            f"{path}: no space left on the disk for a volume of {math.prod(shape) * dtype.itemsize / 1e6:.0f} MB. "
            "Free some, or move `data_root` in config/config.yaml; finished cases are kept."
        ) from None


def read_volume(path: Path, channels: list[int] | None = None, box: Box | None = None) -> np.ndarray:
    """Read a volume (C, X, Y, Z) or a label map (X, Y, Z): only the asked channels, and only the box."""
    box = box or (slice(None),) * 3
    try:
        with h5py.File(path, "r") as file:
            stored = file[_DATASET]
            if stored.ndim == 3:
                return stored[box]
            indices = range(stored.shape[0]) if channels is None else channels
            return np.stack([stored[(index, *box)] for index in indices])
    except (OSError, KeyError):
        raise DataError(
            f"{path}: not a readable volume of the cache. Delete its folder and prepare it again."
        ) from None
