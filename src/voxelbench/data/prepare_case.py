"""One native case: read, checked, turned to RAS, put on a grid and written, with one channel in memory at a time."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np

from voxelbench import __version__
from voxelbench.cards import DatasetCard
from voxelbench.data.cache import write_channels, write_volume
from voxelbench.data.case_files import Sources, describe_files, relative
from voxelbench.data.grid import NATIVE, grid_name, to_grid
from voxelbench.data.manifest import Row
from voxelbench.data.native import Explained, NativeCase, Reader, read_native
from voxelbench.data.readers import format_of
from voxelbench.errors import DataError

_UNKNOWN_SPACING = np.eye(4)


@dataclass(frozen=True)
class _Space:
    """Where the first channel of a case lies; all others and the label must lie there too."""

    shape: tuple[int, int, int]
    affine: np.ndarray | None

    @property
    def placed(self) -> np.ndarray:
        """The affine, or the identity where the source has no spacing."""
        return _UNKNOWN_SPACING if self.affine is None else self.affine


def prepare_case(case: NativeCase, raw: Path, out: Path, card: DatasetCard, grid: str | float) -> tuple[Row, Sources]:
    """Write the volumes of one case; return its row of the manifest, and where it came from.

    Raises DataError for a volume, label or place in the world that the card or the first channel does not allow.
    """
    image_file, label_file = out / f"{case.case_id}.image.h5", out / f"{case.case_id}.label.h5"
    first: _Space | None = None
    channels, described = [], []
    with _spool(out, case.case_id, len(card.channels)) as keep:
        for name, source in zip(card.channels, case.channels, strict=True):
            volume, space = _read_channel(_where(case, name, source), source, first)
            first = first or space
            described.append({"channel": name, **_describe(source, volume, space)})
            volume = _storable(volume)
            on_grid, affine = to_grid(volume, first.placed, grid, is_label=False)
            del volume
            channels.append(keep(on_grid))
        assert first is not None
        label = _read_label(case, card, first)
        write_channels(image_file, channels)
    if label is not None:
        write_volume(label_file, to_grid(label, first.placed, grid, is_label=True)[0])
    row = Row(
        case_id=case.case_id,
        patient_id=case.patient_id,
        image=image_file.name,
        label="" if label is None else label_file.name,
        target=case.target,
        modality=card.modality,
        channels=card.channels,
        units=card.units,
        spacing_mm=_spacing(affine) if card.has_spacing else None,
        shape=on_grid.shape,
        affine=tuple(float(value) for value in affine.ravel()),
        native_shape=first.shape,
        native_affine=tuple(float(value) for value in first.placed.ravel()),
        native_label=relative(case.label, raw) if isinstance(case.label, Path) else "",
        sha256=_sha256(image_file),
    )
    sources = {
        "case_id": case.case_id,
        "voxelbench": __version__,
        "card": card.version,
        "grid": grid_name(grid),
        "resampling": "none" if grid == NATIVE else "linear, label to the nearest",
        "channels": described,
        "files": describe_files(case, raw),
    }
    return row, sources


@contextmanager
def _spool(out: Path, case_id: str, n_channels: int) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Yield a function that keeps a channel until it is written: on the disk, unless it is the only one.

    The type of all channels is known with the last, and six of total-body PET are more than a process may hold.
    """
    files: list[Path] = []

    def keep(volume: np.ndarray) -> np.ndarray:
        if n_channels == 1:
            return volume
        files.append(out / f"{case_id}.channel{len(files)}.partial")
        with files[-1].open("wb") as file:
            np.save(file, volume)
        return np.load(files[-1], mmap_mode="r")

    try:
        yield keep
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _read_channel(where: str, source: Path | Reader, first: _Space | None) -> tuple[np.ndarray, _Space]:
    volume, affine = read_native(source)
    first = first or _Space(volume.shape, affine)
    if volume.shape != first.shape:
        raise DataError(
            f"{where} has shape {volume.shape}, the case's first channel has {first.shape}; "
            "resample it onto the same grid."
        )
    if volume.dtype.kind == "f" and not np.isfinite(volume).all():
        n_bad = int((~np.isfinite(volume)).sum())
        raise DataError(f"{where} has {n_bad} voxels that are NaN or infinite; mend the file or drop the case.")
    _check_affine(where, affine, first.affine)
    return volume, _Space(first.shape, affine)


def _check_affine(where: str, affine: np.ndarray | None, first: np.ndarray | None) -> None:
    if affine is None or first is None:
        return
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise DataError(f"{where} has a singular affine, which gives no spacing; mend the header.")
    if not np.allclose(affine, first, atol=1e-2):
        raise DataError(f"{where} has another affine than the case's first channel; resample it onto the same grid.")


def _describe(source: Path | Reader, volume: np.ndarray, space: _Space) -> dict[str, object]:
    """Return what was found in a channel's source, and what its reader decided."""
    reader = source.func if isinstance(source, partial) else source
    name = format_of(reader) if isinstance(reader, Path) else getattr(reader, "__name__", type(reader).__name__)
    place: dict[str, object] = {"orientation": None}
    if space.affine is not None:
        degrees = np.degrees(nib.affines.obliquity(space.affine)).max()
        place = {
            "orientation": "".join(nib.aff2axcodes(space.affine)),
            "oblique_degrees": round(float(degrees), 1),
        }
    decisions = source.decisions() if isinstance(source, Explained) else []
    return {"reader": name, "shape": volume.shape, "dtype": str(volume.dtype), **place, "decisions": decisions}


def _read_label(case: NativeCase, card: DatasetCard, first: _Space) -> np.ndarray | None:
    if case.label is None:
        return None
    label, affine = read_native(case.label)
    where = _where(case, "label", case.label)
    if label.shape != first.shape:
        raise DataError(
            f"{where} has shape {label.shape}, its volume has {first.shape}; resample it onto the same grid."
        )
    _check_affine(where, affine, first.affine)
    unknown = [value for value in _values(label) if value not in card.labels]
    if unknown:
        raise DataError(
            f"{card.name}: case {case.case_id} has label {unknown[0]:g}, card.yaml lists {_listed(card.labels)}. "
            "Extend `labels` or map it in prepare()."
        )
    return label.astype(np.uint8)


def _values(label: np.ndarray) -> list[float]:
    """Return the values of a label map, sorted; slice by slice, for sorting all voxels takes their memory twice."""
    found: set[float] = set()
    for z in range(label.shape[2]):
        found.update(np.unique(label[..., z]).tolist())
    return sorted(found)


def _listed(labels: Collection[int]) -> str:
    """Return "0..13" for labels without a gap, else all of them."""
    if len(labels) > 1 and set(labels) == set(range(min(labels), max(labels) + 1)):
        return f"{min(labels)}..{max(labels)}"
    return ", ".join(str(label) for label in sorted(labels)) or "none"


def _storable(volume: np.ndarray) -> np.ndarray:
    """Keep whole numbers as int16, which halves the file and loses nothing; everything else becomes float32."""
    if np.issubdtype(volume.dtype, np.integer) and volume.min() >= -32768 and volume.max() <= 32767:
        return volume.astype(np.int16, copy=False)
    return volume.astype(np.float32, copy=False)


def _spacing(affine: np.ndarray) -> tuple[float, float, float]:
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(x), float(y), float(z)


def _where(case: NativeCase, part: str, source: Path | Reader) -> str:
    return f"case {case.case_id}, {part}" + (f" ({source})" if isinstance(source, Path) else "")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
