"""Decathlon task 3 in its native layout: imagesTr/liver_<id>.nii.gz, labelsTr/liver_<id>.nii.gz, dataset.json."""

from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data import msd
from voxelbench.data.download import download_archives
from voxelbench.data.phantom_torso import Torso, draw_abdomen, point_in
from voxelbench.data.prepare import prepare_cases

_N_LABELLED = 131
_UNLABELLED = ("liver_132",)
_NOISE_HU = 15.0
_SHIFT_SD_MM = (25.0, 20.0, 35.0)


def download(raw: Path, card: DatasetCard) -> None:
    """Fetch and unpack the archive."""
    download_archives(raw, card)


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every labelled volume; test volumes have no public labels."""
    prepare_cases(msd.find_cases(raw), raw, out, card, grid)


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write the twin: dark lesions in the liver, some with a bright rim, beside a gallbladder and vessels."""
    candidates = [f"liver_{number}" for number in range(_N_LABELLED)]
    msd.write_twin(raw, card, candidates, _UNLABELLED, _draw)


def _draw(rng: np.random.RandomState) -> msd.Drawing:
    torso = draw_abdomen(rng, shift_sd_mm=_SHIFT_SD_MM)
    label = _paint_lesions(torso)
    return msd.Drawing(torso.scan(_NOISE_HU), label, torso.space.spacing_mm)


def _paint_lesions(torso: Torso) -> np.ndarray:
    """Paint up to five lesions into the liver, none in one case of five; return the label map (X, Y, Z)."""
    rng, liver = torso.rng, torso.mask("liver")
    liver_hu = float(np.median(torso.hu[liver]))
    lesions = np.zeros_like(liver)
    n_lesions = rng.randint(2, 6) if rng.uniform() > 0.2 else 0
    for _ in range(n_lesions):
        centre, radii = point_in(torso, liver), rng.uniform(16, 28) * rng.uniform(0.8, 1.2, 3)
        lesion = torso.space.ellipsoid(centre, radii) & liver
        if rng.uniform() < 0.25:
            torso.paint("rim", lesion, liver_hu + 30)
            torso.paint("lesion", torso.space.ellipsoid(centre, 0.8 * radii) & liver, liver_hu - 60)
        else:
            torso.paint("lesion", lesion, liver_hu - 60)
        lesions |= lesion
    return liver + lesions.astype(np.uint8)
