"""What the unit tests share: a checkout to break, anisotropic cases, and a card to go with them."""

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from voxelbench import config
from voxelbench.cards import Access, DatasetCard, TaskCard
from voxelbench.data.cache import write_volume
from voxelbench.data.case import Case

ROOT = Path(__file__).resolve().parents[2]
AFFINE = np.array([[0.8, 0, 0, -10], [0, 1.5, 0, 20], [0, 0, 3.0, 5], [0, 0, 0, 1]])


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a copy of the checkout's configuration and plug-ins, as the working directory."""
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("config", "methods", "datasets"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.partial"))
    shutil.copy(ROOT / "Snakefile", root)
    monkeypatch.chdir(root)
    monkeypatch.delenv("VOXELBENCH_PLUGINS", raising=False)
    readers = (config.read_config, config.read_budget, config.read_encoder)
    for reader in readers:
        reader.cache_clear()
    yield root
    for reader in readers:
        reader.cache_clear()


@pytest.fixture
def outside_environment():
    """Return the environment of a process that knows nothing but this checkout's sources."""
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}


@pytest.fixture
def make_card():
    """Return a function that makes a dataset card with one task."""

    def make(kind="segmentation", **changes):
        defaults = {
            "name": "toy",
            "title": "Toy",
            "licence": "none",
            "citation": "",
            "access": Access(kind="open", home="", steps=(), tree=""),
            "layout": (),
            "redistribute": "yes",
            "modality": "CT",
            "channels": ("ct",),
            "units": ("HU",),
            "labels": {0: "background", 1: "organ"},
            "splits": {"main": {"rule": "hash", "n_folds": 4, "validation": 0.25, "source": "test"}},
            "spacing": "",
            "n_cases": None,
            "n_patients": None,
            "twin": None,
            "version": 1,
        }
        facts = defaults | changes
        facts.setdefault("value_range", ((-1000.0, 1000.0),) * len(facts["channels"]))
        inputs, target = facts.pop("inputs", facts["channels"]), facts.pop("target", "label")
        task = TaskCard(name=kind, kind=kind, inputs=inputs, target=target, split="main", metrics=("any",), version=1)
        return DatasetCard.model_validate({**facts, "tasks": (task,)})

    return make


@pytest.fixture
def make_case(tmp_path):
    """Return a function that writes a volume (C, X, Y, Z), and perhaps a label map, and returns their case."""

    def make(volume, label=None, *, name="case", channels=("ct",), modality="CT", target=None, affine=AFFINE):
        image, label_image = tmp_path / f"{name}.image.h5", tmp_path / f"{name}.label.h5"
        write_volume(image, volume)
        if label is not None:
            write_volume(label_image, label)
        return Case(
            case_id=name,
            patient_id=f"patient-{name}",
            modality=modality,
            channels=channels,
            units=("HU",) * len(channels),
            spacing_mm=tuple(np.linalg.norm(affine[:3, :3], axis=0)),
            affine=affine,
            shape=volume.shape[1:],
            image=image,
            label_image=None if label is None else label_image,
            target=target,
        )

    return make


@pytest.fixture
def write_nifti():
    """Return a function that writes a NIfTI file."""

    def write(path, volume, affine=AFFINE):
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.Nifti1Image(volume, affine).to_filename(path)
        return path

    return write
