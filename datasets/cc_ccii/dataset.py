"""CC-CCII in its native layout: <class>/<patient>/<scan>/<slice>.png, 8-bit slices without spacing or HU."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare import prepare_cases
from voxelbench.errors import DataError

from .twin import write_twin

_SUFFIXES = {".png", ".jpg", ".jpeg"}


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every scan as (1, X, Y, Z): X runs along a row of a slice, Y down its columns, Z over the slices."""
    prepare_cases(_cases(raw, card), raw, out, card, grid)


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write the twin: pneumonia that fills one lobe, COVID-19 as patches along both pleurae, as bright on the whole."""
    write_twin(raw, card)


def _cases(raw: Path, card: DatasetCard) -> list[NativeCase]:
    cases: dict[str, NativeCase] = {}
    for target, folder in _class_folders(raw, card.classes):
        for patient in _subfolders(folder):
            for scan in _subfolders(patient):
                case = _case(scan, target)
                if case.case_id in cases:
                    other = cases[case.case_id].sources[0].parent
                    raise DataError(f"{scan}: scan {case.case_id} is also in {other}; expected it once, remove one.")
                cases[case.case_id] = case
    return list(cases.values())


def _class_folders(folder: Path, classes: tuple[str, ...]) -> Iterator[tuple[int, Path]]:
    """Yield (class, folder of patients). `NCP-13/NCP/<patient>` and `NCP-13/<patient>` are both found."""
    named = re.compile(rf"({'|'.join(map(re.escape, classes))})(-\d+)?")
    for child in _subfolders(folder):
        match = named.fullmatch(child.name)
        if match and not any(named.fullmatch(inner.name) for inner in _subfolders(child)):
            yield classes.index(match[1]), child
        else:
            yield from _class_folders(child, classes)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith((".", "__")))


def _case(scan: Path, target: int) -> NativeCase:
    slices = sorted((file for file in scan.iterdir() if _is_slice(file)), key=_natural_order)
    if not slices:
        raise DataError(f"{scan}: holds no slice (.png or .jpg); unpack the scan again, or remove its folder.")
    return NativeCase(
        case_id=f"p{scan.parent.name}-s{scan.name}",
        patient_id=f"p{scan.parent.name}",
        channels=(partial(_read_scan, slices),),
        target=target,
        sources=tuple(slices),
    )


def _is_slice(file: Path) -> bool:
    return file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")


def _natural_order(file: Path) -> list[tuple[bool, int, str]]:
    """Return a key that puts 2.png before 10.png."""
    parts = re.findall(r"\d+|\D+", file.stem)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _read_scan(slices: list[Path]) -> tuple[np.ndarray, None]:
    """Read the slices of a scan, int16 (X, Y, Z); there is no affine."""
    first = _read_slice(slices[0])
    volume = np.empty((*first.shape, len(slices)), np.int16)
    for z, file in enumerate(slices):
        pixels = _read_slice(file)
        if pixels.shape != first.shape:
            raise DataError(
                f"{file}: has {pixels.shape[0]} x {pixels.shape[1]} pixels, the scan's first slice {slices[0].name} "
                f"{first.shape[0]} x {first.shape[1]}; restore it or remove the scan."
            )
        volume[..., z] = pixels
    return volume, None


def _read_slice(file: Path) -> np.ndarray:
    """Return the grey levels (X, Y) of one image, uint8."""
    try:
        with Image.open(file) as image:
            if image.mode[0] in "IF":
                raise DataError(f"{file}: has pixels of mode {image.mode}, expected 8 bits; fetch the scan again.")
            return np.asarray(image.convert("L")).T
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{file}: not a readable image ({type(error).__name__}); fetch it again, or remove the scan."
        ) from None
