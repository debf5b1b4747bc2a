"""The raw folder of nnU-Net: NIfTI volumes and labels, `dataset.json`, and our split instead of its five folds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from voxelbench.errors import ConfigError
from voxelbench.external import Case, ExternalJob

from .labels import Labels

ENDING = ".nii.gz"


def write_raw(folder: Path, job: ExternalJob, labels: Labels, normalisation: Mapping[str, str]) -> None:
    """Write the training and validation cases as nnU-Net's dataset `folder`; test cases stay out of its sight."""
    cases = (*job.training, *job.validation)
    for case in cases:
        for number, channel in enumerate(job.inputs):
            volume = case.read([channel])[0]
            _save(folder / "imagesTr" / f"{case.case_id}_{number:04d}{ENDING}", volume, case.affine)
        label = labels.to_consecutive(case.label())
        _save(folder / "labelsTr" / f"{case.case_id}{ENDING}", label, case.affine)
    split = {"train": _ids(job.training), "val": _ids(job.validation)}
    _write(folder / "splits_final.json", [split])
    _write(folder / "dataset.json", dataset_json(cases[0].narrowed(job.inputs), len(cases), labels, normalisation))


def dataset_json(case: Case, n_cases: int, labels: Labels, normalisation: Mapping[str, str]) -> dict[str, object]:
    """Return the description of the dataset. The name of a channel is how nnU-Net learns to normalise it."""
    unknown = [unit for unit in case.units if unit not in normalisation]
    if unknown:
        raise ConfigError(f"methods/nnunet: `normalisation` says nothing of the unit '{unknown[0]}'; add it.")
    order = {} if labels.regions_class_order is None else {"regions_class_order": labels.regions_class_order}
    return {
        "channel_names": {str(number): normalisation[unit] for number, unit in enumerate(case.units)},
        "labels": labels.names,
        "numTraining": n_cases,
        "file_ending": ENDING,
        # SimpleITK, the default, refuses affines with shear.
        "overwrite_image_reader_writer": "NibabelIO",
        **order,
    }


def _ids(cases: Sequence[Case]) -> list[str]:
    return [case.case_id for case in cases]


def _save(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, affine), path)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
