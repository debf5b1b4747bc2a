"""One CT head in InVesalius' own format, from Debian's invesalius-examples. An extra: in no corpus, in no table."""

import plistlib
from functools import partial
from pathlib import Path
from xml.parsers.expat import ExpatError

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data.debian import download_deb
from voxelbench.data.download import unpack
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare import prepare_cases
from voxelbench.errors import DataError

_PROJECT = "usr/share/doc/invesalius-examples/examples/Cranium.inv3"


def download(raw: Path, card: DatasetCard) -> None:
    """Fetch the package by apt and unpack header and voxels of the scan. Raises DataError where apt is missing."""
    package = download_deb(card.files[0], raw, [_PROJECT])
    unpack(package / _PROJECT, raw / "cranium", ["*/main.plist", "*/matrix.dat"])


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare the one scan. Raises DataError if it is not there."""
    headers = sorted((raw / "cranium").glob("*/main.plist"))
    scans = [
        NativeCase("cranium", "cranium", (partial(_read, header),), sources=(header, header.with_name("matrix.dat")))
        for header in headers
    ]
    prepare_cases(scans, raw, out, card, grid)


def _read(header: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a project of InVesalius: int16 (X, Y, Z), X to the left and Y to the back, as its DICOM slices had them."""
    voxels = header.with_name("matrix.dat")
    try:
        project = plistlib.loads(header.read_bytes())
        shape, spacing_mm = project["matrix"]["shape"], project["spacing"]
        volume = np.fromfile(voxels, "<i2").reshape(shape)
    except (OSError, ValueError, LookupError, TypeError, ExpatError) as error:
        raise DataError(
            f"{voxels}: not the whole volume that {header.name} describes ({type(error).__name__}); delete "
            f"{header.parents[1]} and run `voxelbench download debian_ct` again."
        ) from None
    return volume.T, np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2], 1.0])
