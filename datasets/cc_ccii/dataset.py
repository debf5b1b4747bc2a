"""CC-CCII in its native layout: <class>/<patient>/<scan>/<slice>.png, 8-bit slices without spacing or HU."""

import re
from collections.abc import Iterator
from pathlib import Path

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.readers import stack
from voxelbench.data.splits import write_supplied
from voxelbench.errors import DataError

from . import derived
from .twin import write_twin
from .voco_lists import read_lists


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every scan as (1, X, Y, Z): X runs along a row of a slice, Y down its columns, Z over the slices."""
    cases = _cases(raw, card)
    write_supplied(out, read_lists(raw, {case.case_id for case in cases}))
    prepare_cases(cases, raw, out, card, grid)


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write the twin: pneumonia that fills one lobe, COVID-19 as patches along both pleurae, as bright on the whole."""
    write_twin(raw, card)


def _cases(raw: Path, card: DatasetCard) -> list[NativeCase]:
    cases: dict[str, NativeCase] = {}
    for case in [*_slices(raw, card), *derived.cases(raw, card.classes)]:
        if case.case_id in cases:
            scan, other = (_scan(found) for found in (case, cases[case.case_id]))
            raise DataError(f"{scan}: scan {case.case_id} is also in {other}; expected it once, remove one.")
        cases[case.case_id] = case
    return list(cases.values())


def _scan(case: NativeCase) -> Path:
    """Return the file or folder that a case is read from."""
    return next(source for source in (*case.channels, *case.sources) if isinstance(source, Path))


def _slices(raw: Path, card: DatasetCard) -> Iterator[NativeCase]:
    for target, folder in _class_folders(raw, card.classes):
        for patient in _subfolders(folder):
            yield from (_case(scan, target) for scan in _subfolders(patient))


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
    if not stack.files(scan):
        raise DataError(f"{scan}: holds no slice (.png or .jpg); unpack the scan again, or remove its folder.")
    return NativeCase(
        case_id=f"p{scan.parent.name}-s{scan.name}",
        patient_id=f"p{scan.parent.name}",
        channels=(scan,),
        target=target,
    )
