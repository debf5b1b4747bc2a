"""BTCV in its native layout: imagesTr/img0001.nii.gz, labelsTr/label0001.nii.gz, imagesTs, dataset_0.json."""

from pathlib import Path

import numpy as np

from voxelbench.cards import DatasetCard
from voxelbench.data import msd
from voxelbench.data.phantom_torso import draw_abdomen
from voxelbench.data.prepare import prepare_cases

_MANIFEST = "dataset_0.json"
_LABELLED = [*range(1, 11), *range(21, 41)]
_UNLABELLED = ("img0061",)
_NOISE_HU = 12.0


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every labelled volume; the 20 test volumes have no public labels."""
    prepare_cases(msd.find_cases(raw, _MANIFEST, _label_name), raw, out, card, grid)


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write the twin: organs that share intensities, so that most must be told by where they lie."""
    candidates = [f"img{number:04d}" for number in _LABELLED]
    organs = {organ: value for value, organ in card.labels.items() if value}

    def draw(rng: np.random.RandomState) -> msd.Drawing:
        torso = draw_abdomen(rng)
        label = np.sum([value * torso.mask(organ) for organ, value in organs.items()], axis=0)
        return msd.Drawing(torso.scan(_NOISE_HU), label, torso.space.spacing_mm)

    msd.write_twin(raw, card, candidates, _UNLABELLED, draw, _MANIFEST, _label_name)


def _label_name(image: str) -> str:
    return image.replace("img", "label", 1)
