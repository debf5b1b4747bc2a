"""Decathlon task 6 in its native layout: imagesTr/lung_<id>.nii.gz, labelsTr/lung_<id>.nii.gz, dataset.json."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from voxelbench.cards import DatasetCard
from voxelbench.data import msd
from voxelbench.data.download import download_archives
from voxelbench.data.phantom import smooth_noise
from voxelbench.data.phantom_torso import Torso, draw_thorax, point_in
from voxelbench.data.prepare import prepare_cases

_LAST_ID = 96
_UNLABELLED = ("lung_002",)
_NOISE_HU = 25.0


def download(raw: Path, card: DatasetCard) -> None:
    """Fetch and unpack the archive."""
    download_archives(raw, card)


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every labelled volume; test volumes have no public labels."""
    prepare_cases(msd.find_cases(raw), raw, out, card, grid)


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write the twin: one spiculated tumour a case, as dense as the vessels and the chest wall that it may touch."""
    candidates = [case_id for number in range(1, _LAST_ID + 1) if (case_id := f"lung_{number:03d}") not in _UNLABELLED]
    msd.write_twin(raw, card, candidates, _UNLABELLED, _draw)


def _draw(rng: np.random.RandomState) -> msd.Drawing:
    torso = draw_thorax(rng)
    label = _paint_tumour(torso)
    return msd.Drawing(torso.scan(_NOISE_HU), label, torso.space.spacing_mm)


def _paint_tumour(torso: Torso) -> np.ndarray:
    """Paint a ball with a ragged surface, centred two voxels or more inside the lung; return its mask (X, Y, Z)."""
    rng, space = torso.rng, torso.space
    lung = torso.mask("lung")
    centre = point_in(torso, ndimage.binary_erosion(lung, iterations=2))
    distance_mm = np.sqrt(((space.points() - centre.reshape(3, 1, 1, 1)) ** 2).sum(0))
    ragged = 1.0 + 0.25 * smooth_noise(space.shape, space.spacing_mm, 7.0, rng)
    tumour = (distance_mm < rng.uniform(17, 28) * ragged) & (lung | torso.mask("lung vessel"))
    torso.paint("tumour", tumour, 30 + 15 * float(rng.standard_normal()))
    return tumour
