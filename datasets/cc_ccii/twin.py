"""The synthetic twin of CC-CCII: chests whose class shows in where the lung is dense, not in its mean density."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin
from scipy import ndimage

from voxelbench.cards import DatasetCard
from voxelbench.data.phantom import MARK, case_rng
from voxelbench.data.phantom_torso import Torso, draw_thorax, point_in
from voxelbench.data.splits import deal_classes, draw_ids, part_of

_COLUMNS = ("zip_file", "target", "label", "patient_id", "scan_id", "n_slice", "scan_count", "all_scan_ids")
_N_CSV_FOLDS = 3
_FOV_MM, _SPACING_MM = (310.0, 310.0, 210.0), (6.5, 6.5, 7.5)
_VARIATION = 0.4
_SLICE_PIXELS = 72
_NOISE_HU = 30.0


def write_twin(raw: Path, card: DatasetCard) -> None:
    """Write the scans, and the csv lists in the columns that VoCo's repository uses."""
    assert card.twin is not None
    drawn = draw_ids(card, _candidates())
    rows = []
    for (case_id, _), target in zip(drawn, deal_classes(card, drawn, len(card.classes)), strict=True):
        patient, scan = case_id[1:].split("-s")
        name = card.classes[target]
        slices = _draw_slices(name, case_rng(card.name, case_id, card.twin.version))
        _write_slices(raw / name / patient / scan, slices)
        rows.append((f"{MARK}-{name}.zip", target, name, patient, scan, len(slices), 1, f"[{scan}]"))
    _write_lists(raw, card, rows)


def _candidates() -> Iterator[tuple[str, str]]:
    """Yield (case id, patient id)."""
    for number in range(1000):
        yield f"p{9000 + number}-s{20000 + 3 * number}", f"p{9000 + number}"


def _draw_slices(name: str, rng: np.random.RandomState) -> np.ndarray:
    """Return the slices of a scan (Z, rows, columns), uint8, through a lung window that varies."""
    torso = draw_thorax(rng, _FOV_MM, _SPACING_MM, _VARIATION)
    _paint_basal_haze(torso)
    if name == "CP":
        _paint_lobar_pneumonia(torso)
    if name == "NCP":
        _paint_ground_glass(torso)
    volume = torso.scan(_NOISE_HU).astype(np.float32)
    size = (_SLICE_PIXELS, _SLICE_PIXELS, rng.randint(30, 61))
    zoomed = ndimage.zoom(volume, [new / old for new, old in zip(size, volume.shape, strict=True)], order=1)
    low, width = rng.normal(-1000, 25), rng.normal(1400, 50)
    levels = np.clip((zoomed - low) / width, 0, 1) * 255
    # Rows run to the back, columns to the left of the patient, as radiologists look at a slice.
    return levels.round().astype(np.uint8).transpose(2, 1, 0)[:, ::-1, ::-1]


def _paint_basal_haze(torso: Torso) -> None:
    """Paint the density that any lung may show at its lowest, hindmost part."""
    for side in (-1, 1):
        centre = (side * 74, -66, torso.rng.uniform(-70, -30))
        haze = torso.space.ellipsoid(centre, torso.rng.uniform(10, 24, 3)) & torso.mask("lung")
        torso.paint("haze", haze, torso.rng.uniform(-700, -350))


def _paint_lobar_pneumonia(torso: Torso) -> None:
    """Paint one dense region that fills a part of one lung."""
    rng, (x, _, z) = torso.rng, torso.space.points()
    side, is_upper = rng.choice((-1, 1)), rng.uniform() < 0.5
    lobe = torso.mask("lung") & (x * side > 0) & ((z > 10) == is_upper)
    region = torso.space.ellipsoid(point_in(torso, lobe), rng.uniform(60, 85, 3)) & lobe
    torso.paint("consolidation", region, rng.uniform(-200, 0))


def _paint_ground_glass(torso: Torso) -> None:
    """Paint hazy patches in the rim of both lungs."""
    rng, (x, _, _) = torso.rng, torso.space.points()
    lung = torso.mask("lung")
    rim = lung & ~ndimage.binary_erosion(lung, iterations=2)
    for side in (-1, 1):
        for _ in range(rng.randint(6, 10)):
            patch = torso.space.ellipsoid(point_in(torso, rim & (x * side > 15)), rng.uniform(24, 38, 3)) & lung
            torso.paint("ground glass", patch, rng.uniform(-550, -400))


def _write_slices(folder: Path, slices: np.ndarray) -> None:
    folder.mkdir(parents=True)
    mark = PngImagePlugin.PngInfo()
    mark.add_text("Description", MARK)
    for index, pixels in enumerate(slices):
        Image.fromarray(pixels).save(folder / f"{index}.png", pnginfo=mark, compress_level=1)


def _write_lists(raw: Path, card: DatasetCard, rows: list[tuple[object, ...]]) -> None:
    """Write a list of training and of validation scans a fold: the hash folds, here."""
    for fold in range(_N_CSV_FOLDS):
        chosen: dict[str, list[tuple[object, ...]]] = {"train": [], "valid": []}
        for row in rows:
            patient, scan = row[3], row[4]
            part = part_of(card, card.default_split, fold, f"p{patient}-s{scan}", f"p{patient}", {})
            chosen["valid" if part == "test" else "train"].append(row)
        for name, listed in chosen.items():
            with (raw / f"CC_CCII_fold{fold}_{name}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(_COLUMNS)
                writer.writerows(listed)
