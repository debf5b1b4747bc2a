"""`manifest.csv`: one row a prepared case. Paths are relative to it; lists are joined by semicolons."""

import csv
import math
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath

from voxelbench.atomic import written_whole
from voxelbench.data.table import read_table
from voxelbench.errors import DataError

SEPARATOR = ";"


@dataclass(frozen=True)
class Row:
    """One prepared case. `affine` and `native_affine` are 16 numbers, row by row, in mm."""

    case_id: str
    patient_id: str
    image: str
    label: str
    target: int | None
    modality: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    spacing_mm: tuple[float, float, float] | None
    shape: tuple[int, int, int]
    affine: tuple[float, ...]
    native_shape: tuple[int, int, int]
    native_affine: tuple[float, ...]
    native_label: str
    sha256: str
    attachments: dict[str, str] = field(default_factory=dict)


def _format(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return SEPARATOR.join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, tuple):
        return SEPARATOR.join(_format(item) for item in value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _numbers(kind: type, text: str, n_numbers: int) -> tuple:
    numbers = tuple(kind(part) for part in text.split(SEPARATOR))
    if len(numbers) != n_numbers or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{text} is not {n_numbers} numbers")
    return numbers


def _positive(kind: type, text: str) -> tuple:
    numbers = _numbers(kind, text, 3)
    if min(numbers) <= 0:
        raise ValueError(f"{text} is not above 0")
    return numbers


def _checked(row: Row) -> Row:
    """Return a row if its case has a name, a unit for each channel, and files in the folder of the manifest."""
    if not all((row.case_id, row.patient_id, row.image, *row.channels)):
        raise ValueError(f"case '{row.case_id}' lacks its patient, its image or a channel")
    if len(row.units) != len(row.channels):
        raise ValueError(f"case {row.case_id} has {len(row.units)} units for {len(row.channels)} channels")
    for name in (row.image, row.label, *row.attachments.values()):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"case {row.case_id} has file {name}, which lies elsewhere")
    return row


def _parse(values: dict[str, str]) -> Row:
    return Row(
        case_id=values["case_id"],
        patient_id=values["patient_id"],
        image=values["image"],
        label=values["label"],
        target=int(values["target"]) if values["target"] else None,
        modality=values["modality"],
        channels=tuple(values["channels"].split(SEPARATOR)),
        units=tuple(values["units"].split(SEPARATOR)),
        spacing_mm=_positive(float, values["spacing_mm"]) if values["spacing_mm"] else None,
        shape=_positive(int, values["shape"]),
        affine=_numbers(float, values["affine"], 16),
        native_shape=_positive(int, values["native_shape"]),
        native_affine=_numbers(float, values["native_affine"], 16),
        native_label=values["native_label"],
        sha256=values["sha256"],
        attachments=dict(part.split("=", 1) for part in values["attachments"].split(SEPARATOR) if part),
    )


def write_manifest(path: Path, rows: list[Row]) -> None:
    """Write the rows sorted by case id, whole or not at all."""
    names = [item.name for item in fields(Row)]
    with written_whole(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(
            [_format(getattr(row, name)) for name in names] for row in sorted(rows, key=lambda row: row.case_id)
        )


def read_manifest(path: Path) -> list[Row]:
    """Read the rows back. Raises DataError if the file is missing, empty or not a manifest."""
    try:
        rows = [_checked(_parse(values)) for _, values in read_table(path, ())]
    except FileNotFoundError:
        raise DataError(f"{path}: no such manifest. Run `voxelbench prepare` for this dataset first.") from None
    except (KeyError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path}: not a manifest of this version ({error}). Delete it and prepare the dataset again."
        ) from None
    if not rows:
        raise DataError(f"{path}: the manifest has no case.")
    if len({row.case_id for row in rows}) < len(rows):
        raise DataError(f"{path}: lists a case twice. Delete it and prepare the dataset again.")
    return rows
