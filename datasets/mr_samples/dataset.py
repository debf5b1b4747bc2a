"""Three real MR scans from the source archives of two Python packages, fetched at run time.

Two heads are labelled with a lesion; the abdomen carries the classes that a model predicted.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.package_scans import download_scans, package_folder, renumbered
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.readers import read

_MEMBERS = {
    "pyradiomics": ("data/brain[12]_image.nrrd", "data/brain[12]_label.nrrd"),
    "totalsegmentator": ("tests/reference_files/example_mr_sm.nii.gz", "tests/reference_files/example_seg_mr.nii.gz"),
}

_LESION = 51
"""The first number that TotalSegmentator's classes of MR, 1..50, leave free."""


def download(raw: Path, card: DatasetCard) -> None:
    """Fetch both source archives and unpack the MR scans and their labels alone. Runs no code of theirs."""
    download_scans(raw, card, _MEMBERS)


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare the two heads and the abdomen."""
    prepare_cases(_cases(raw, card), raw, out, card, grid)


def _cases(raw: Path, card: DatasetCard) -> Iterator[NativeCase]:
    radiomics = package_folder(raw, "pyradiomics", card) / "data"
    for name in ("brain1", "brain2"):
        image, label = radiomics / f"{name}_image.nrrd", radiomics / f"{name}_label.nrrd"
        lesion = partial(renumbered, partial(read, label), {1: _LESION})
        yield NativeCase(name, name, (image,), lesion, sources=(label,))
    reference = package_folder(raw, "totalsegmentator", card) / "tests" / "reference_files"
    image, classes = reference / "example_mr_sm.nii.gz", reference / "example_seg_mr.nii.gz"
    yield NativeCase("abdomen", "abdomen", (image,), classes)
