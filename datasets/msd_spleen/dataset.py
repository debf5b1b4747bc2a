"""Decathlon task 9 in its native layout: imagesTr/spleen_<id>.nii.gz, labelsTr/spleen_<id>.nii.gz, dataset.json."""

from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data import msd
from voxelbench.data.download import download_archives
from voxelbench.data.phantom_torso import draw_abdomen
from voxelbench.data.prepare import prepare_cases

_NUMBERS = [*range(38, 64), *range(2, 38)]
"""Starts where both named splits have test cases nearby."""

_UNLABELLED = ("spleen_1",)
_NOISE_HU = 20.0
_PHASE_SD_HU = 30.0
_SHIFT_SD_MM = (12.0, 12.0, 20.0)


def download(raw: Path, card: DatasetCard) -> None:
    """Fetch and unpack the archive."""
    download_archives(raw, card)


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every labelled volume; test volumes have no public labels."""
    prepare_cases(msd.find_cases(raw), raw, out, card, grid)


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write the twin: spleens whose volume varies eightfold, in an unknown phase of contrast."""
    candidates = [f"spleen_{number}" for number in _NUMBERS]
    msd.write_twin(raw, card, candidates, _UNLABELLED, _draw)


def _draw(rng: np.random.RandomState) -> msd.Drawing:
    torso = draw_abdomen(rng, phase_sd_hu=_PHASE_SD_HU, spleen_scale=rng.uniform(0.75, 1.5), shift_sd_mm=_SHIFT_SD_MM)
    return msd.Drawing(torso.scan(_NOISE_HU), torso.mask("spleen"), torso.space.spacing_mm)
