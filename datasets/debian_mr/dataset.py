"""The T1 template of one subject, Colin27, from Debian's mricron-data. An extra: in no corpus, in no table."""

from pathlib import Path

from voxelbench.cards import DatasetCard
from voxelbench.data.debian import download_deb
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare import prepare_cases

_SCAN = "usr/share/mricron/templates/ch2.nii.gz"


def download(raw: Path, card: DatasetCard) -> None:
    """Fetch the package by apt and unpack the scan alone. Raises DataError where apt is missing."""
    download_deb(card.files[0], raw, [_SCAN])


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare the one scan."""
    prepare_cases([NativeCase("colin27", "colin27", (raw / "mricron-data" / _SCAN,))], raw, out, card, grid)
