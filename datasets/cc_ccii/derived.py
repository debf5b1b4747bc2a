"""Scans of CC-CCII as arrays that others made of the slices: npy/p<patient>-s<scan>.npy, with the classes in lists."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voxelbench.data.native import NativeCase
from voxelbench.data.readers import Image, read
from voxelbench.data.table import read_table
from voxelbench.errors import DataError

_LISTS = "CC_CCII_fold*_*.csv"
_NAME = re.compile(r"p(?P<patient>[^-]+)-s(?P<scan>.+)")


@dataclass(frozen=True)
class DerivedScan:
    """Reads an array of slices first (VoCo's loader) or slices last (S2DC's script): slices are square."""

    file: Path

    def __call__(self) -> Image:
        """Return grey levels (X, Y, Z). Raises DataError if the shape does not tell which axis runs over the slices."""
        volume, _ = read(self.file)
        first, middle, last = volume.shape
        if middle == last != first:
            return volume.T, None
        if first == middle != last:
            return volume.transpose(1, 0, 2), None
        raise DataError(
            f"{self.file}: has shape {volume.shape}, expected two equal axes of square slices and another number of "
            "them; unpack the slices of the scan in its place."
        )


def cases(raw: Path, classes: tuple[str, ...]) -> Iterator[NativeCase]:
    """Yield every array under `raw`. Raises DataError for one whose class no list beside it says."""
    files = sorted(raw.rglob("npy/[!.]*.npy"))
    targets = _targets(raw, classes) if files else {}
    for file in files:
        match = _NAME.fullmatch(file.stem)
        if match is None or file.stem not in targets:
            raise DataError(f"{file}: no row of a list {_LISTS} says its class; put VoCo's lists there, or remove it.")
        yield NativeCase(file.stem, f"p{match['patient']}", (DerivedScan(file),), None, targets[file.stem], (file,))


def _targets(raw: Path, classes: tuple[str, ...]) -> dict[str, int]:
    """Return the class of every listed scan whose label is one of the card's."""
    needed = ("patient_id", "scan_id", "label")
    rows = [row for path in sorted(raw.rglob(_LISTS)) for _, row in read_table(path, needed)]
    return {
        f"p{row['patient_id']}-s{row['scan_id']}": classes.index(row["label"])
        for row in rows
        if row["label"] in classes
    }
