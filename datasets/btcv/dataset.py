"""BTCV in its native layout: imagesTr/img0001.nii.gz, labelsTr/label0001.nii.gz, imagesTs, dataset_0.json."""

from pathlib import Path

from voxelbench.cards import DatasetCard
from voxelbench.data import msd
from voxelbench.data.phantom import case_rng
from voxelbench.data.phantom_torso import draw_abdomen
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import draw_ids

_MANIFEST = "dataset_0.json"
_LABELLED = [*range(1, 11), *range(21, 41)]
_UNLABELLED = ("img0061",)
_NOISE_HU = 15.0


def prepare(raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every labelled volume; the 20 test volumes have no public labels."""
    prepare_cases(msd.find_cases(raw, _MANIFEST, _label_name), raw, out, card, grid)


def phantom(raw: Path, card: DatasetCard) -> None:
    """Write the twin: organs that share intensities, so that most must be told by where they lie."""
    candidates = [f"img{number:04d}" for number in _LABELLED]
    labelled = [case_id for case_id, _ in draw_ids(card, zip(candidates, candidates, strict=True))]
    twin = msd.Twin(raw, card, _MANIFEST, _label_name)
    for index, case_id in enumerate((*labelled, *_UNLABELLED)):
        torso = draw_abdomen(case_rng(card.name, case_id, card.twin.version))
        label = sum(value * torso.mask(organ) for value, organ in card.labels.items() if value)
        volume = torso.scan(_NOISE_HU)
        twin.write_case(index, case_id, volume, label if case_id in labelled else None, torso.space.spacing_mm)
    twin.write_manifest(labelled, _UNLABELLED)


def _label_name(image: str) -> str:
    return image.replace("img", "label", 1)
