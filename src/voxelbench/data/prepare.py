"""From native cases to a prepared folder: checked, in RAS, on one grid, in physical units.

The manifest is written last, so a folder with a manifest is complete. A preparation that was stopped, by a user or by
a bad file, keeps its finished cases and goes on from there.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from voxelbench import paths
from voxelbench.cards import DatasetCard
from voxelbench.data.cache import write_volume
from voxelbench.data.grid import to_grid
from voxelbench.data.manifest import Row, write_manifest
from voxelbench.data.native import NativeCase, Reader, read_native
from voxelbench.errors import DataError

_PROGRESS = "progress.jsonl"
_UNKNOWN_SPACING = np.eye(4)


def prepare_cases(cases: Iterable[NativeCase], raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every case and write the manifest. Raises DataError at the first bad case, in one sentence."""
    listed = list(cases)
    if not listed:
        raise DataError(
            f"{raw}: no case of {card.name} found. Expected its native layout; see datasets/{card.name}/README.md."
        )
    if not card.has_spacing and grid != "native":
        raise DataError(f"{card.name} has no spacing, so it cannot be put on a grid of {grid} mm; use `--grid native`.")
    out.mkdir(parents=True, exist_ok=True)
    paths.manifest(out).unlink(missing_ok=True)
    finished = _read_progress(out)
    rows = []
    with (out / _PROGRESS).open("a", encoding="utf-8") as progress:
        for case in listed:
            fingerprint = _fingerprint(case, card, grid)
            row = finished.get((case.case_id, fingerprint)) or _prepare_case(case, raw, out, card, grid)
            progress.write(json.dumps({"fingerprint": fingerprint, "row": asdict(row)}) + "\n")
            progress.flush()
            rows.append(row)
    write_manifest(paths.manifest(out), rows)
    (out / _PROGRESS).unlink()


def _fingerprint(case: NativeCase, card: DatasetCard, grid: str | float) -> str:
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in case.files() if path.exists()]
    return hashlib.sha256(repr((card.version, grid, case.target, files)).encode()).hexdigest()


def _read_progress(out: Path) -> dict[tuple[str, str], Row]:
    """Return the rows of finished cases; a last line that was cut off by a kill is no row."""
    if not (out / _PROGRESS).exists():
        return {}
    finished: dict[tuple[str, str], Row] = {}
    for line in (out / _PROGRESS).read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry["row"].items()
        }
        finished[(values["case_id"], entry["fingerprint"])] = Row(**values)
    return finished


def _prepare_case(case: NativeCase, raw: Path, out: Path, card: DatasetCard, grid: str | float) -> Row:
    natives = [read_native(source) for source in case.channels]
    native_shape, native_affine = natives[0][0].shape, natives[0][1]
    for name, source, (volume, affine) in zip(card.channels, case.channels, natives, strict=True):
        where = _where(case, name, source)
        _check_volume(where, volume, native_shape)
        _check_affine(where, affine, native_affine)
    label = _read_label(case, card, native_shape, native_affine)

    affine_or_identity = _UNKNOWN_SPACING if native_affine is None else native_affine
    on_grid = [to_grid(_storable(volume), affine_or_identity, grid, is_label=False) for volume, _ in natives]
    image = np.stack([volume for volume, _ in on_grid])
    affine = on_grid[0][1]

    image_file = out / f"{case.case_id}.image.h5"
    write_volume(image_file, image)
    label_file = out / f"{case.case_id}.label.h5"
    if label is not None:
        write_volume(label_file, to_grid(label, affine_or_identity, grid, is_label=True)[0])
    return Row(
        case_id=case.case_id,
        patient_id=case.patient_id,
        image=image_file.name,
        label="" if label is None else label_file.name,
        target=case.target,
        modality=card.modality,
        channels=card.channels,
        units=card.units,
        spacing_mm=_spacing(affine) if card.has_spacing else None,
        shape=image.shape[1:],
        affine=tuple(float(value) for value in affine.ravel()),
        native_shape=native_shape,
        native_affine=tuple(float(value) for value in affine_or_identity.ravel()),
        native_label=_relative(case.label, raw),
        sha256=hashlib.sha256(image_file.read_bytes()).hexdigest(),
    )


def _check_volume(where: str, volume: np.ndarray, shape: tuple[int, ...]) -> None:
    if volume.shape != shape:
        raise DataError(
            f"{where} has shape {volume.shape}, the case's first channel has {shape}; resample it onto the same grid."
        )
    if not np.isfinite(volume).all():
        n_bad = int((~np.isfinite(volume)).sum())
        raise DataError(f"{where} has {n_bad} voxels that are NaN or infinite; mend the file or drop the case.")


def _check_affine(where: str, affine: np.ndarray | None, first: np.ndarray | None) -> None:
    if affine is None or first is None:
        return
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise DataError(f"{where} has a singular affine, which gives no spacing; mend the header.")
    if not np.allclose(affine, first, atol=1e-2):
        raise DataError(f"{where} has another affine than the case's first channel; resample it onto the same grid.")


def _read_label(
    case: NativeCase, card: DatasetCard, shape: tuple[int, ...], affine: np.ndarray | None
) -> np.ndarray | None:
    if case.label is None:
        return None
    label, label_affine = read_native(case.label)
    where = _where(case, "label", case.label)
    if label.shape != shape:
        raise DataError(f"{where} has shape {label.shape}, its volume has {shape}; resample it onto the same grid.")
    _check_affine(where, label_affine, affine)
    unknown = [value for value in np.unique(label) if value not in card.labels]
    if unknown:
        raise DataError(
            f"{card.name}: case {case.case_id} has label {unknown[0]:g}, card.yaml lists {_listed(card.labels)}. "
            "Extend `labels` or map it in prepare()."
        )
    return label.astype(np.uint8)


def _listed(labels: Collection[int]) -> str:
    """Return "0..13" for labels without a gap, else all of them."""
    if len(labels) > 1 and set(labels) == set(range(min(labels), max(labels) + 1)):
        return f"{min(labels)}..{max(labels)}"
    return ", ".join(str(label) for label in sorted(labels)) or "none"


def _storable(volume: np.ndarray) -> np.ndarray:
    """Keep whole numbers as int16, which halves the file and loses nothing; everything else becomes float32."""
    if np.issubdtype(volume.dtype, np.integer) and volume.min() >= -32768 and volume.max() <= 32767:
        return volume.astype(np.int16)
    return volume.astype(np.float32)


def _spacing(affine: np.ndarray) -> tuple[float, float, float]:
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(x), float(y), float(z)


def _relative(label: object, raw: Path) -> str:
    return str(label.relative_to(raw)) if isinstance(label, Path) and label.is_relative_to(raw) else ""


def _where(case: NativeCase, part: str, source: Path | Reader) -> str:
    return f"case {case.case_id}, {part}" + (f" ({source})" if isinstance(source, Path) else "")
