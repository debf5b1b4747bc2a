"""Tables, lists and journals to damage, and what must hold for what is read of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from damage import Kind, damaged_json, damaged_json_lines, damaged_table
from fuzz_images import AFFINE, SHAPE, write_nifti

from voxelbench import paths, registry
from voxelbench.data.case import read_cases
from voxelbench.data.manifest import Row, write_manifest
from voxelbench.data.msd import find_cases
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.splits import read_splits
from voxelbench.datasets.adni import dataset as adni
from voxelbench.datasets.brats21 import dataset as brats21
from voxelbench.datasets.udpet.metadata import read_metadata

SOUND = "sound.csv"
BRATS = ("BraTS2021_00000", "BraTS2021_00001", "BraTS2021_00002")


def write_folds(path: Path) -> None:
    entries = [{"fold": n, "image": [f"{name}_flair.nii.gz"], "label": f"{name}/seg"} for n, name in enumerate(BRATS)]
    path.write_text(json.dumps({"training": entries}))


def write_search(path: Path) -> None:
    rows = [f'"I{n}","002_S_000{n}","CN","PET"' for n in range(3)]
    path.write_text("\n".join(['"Image Data ID","Subject","Group","Modality"', *rows, ""]))


def write_list(path: Path) -> None:
    for folder in ("imagesTr", "labelsTr"):
        (path.parent / folder).mkdir()
    entries = []
    for name in ("liver_0.nii.gz", "liver_1.nii.gz", "liver_10.nii.gz"):
        entry = {"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"}
        for file in entry.values():
            (path.parent / file).touch()
        entries.append(entry)
    path.write_text(json.dumps({"name": "PHANTOM", "labels": {"0": "background"}, "training": entries, "test": []}))


def write_rows(path: Path) -> None:
    numbers = tuple(float(value) for value in AFFINE.ravel())
    common = {"target": 1, "modality": "PET", "channels": ("suv", "ct"), "units": ("SUV", "HU"), "shape": SHAPE}
    common |= {"spacing_mm": (0.8, 1.5, 3.0), "affine": numbers, "native_shape": SHAPE, "native_affine": numbers}
    common |= {"sha256": "0" * 64, "attachments": {"points": "points.npz"}}
    rows = [Row(f"c{n}", f"p{n}", f"c{n}.image.h5", f"c{n}.label.h5", native_label="a", **common) for n in range(3)]
    write_manifest(path, rows)


def write_parts(path: Path) -> None:
    parts = [f"main,{fold},{part},{part}{fold}" for fold in (0, 1) for part in ("train", "val", "test")]
    path.write_text("\n".join(["split,fold,part,case_id", *parts, ""]))


def write_injections(path: Path) -> None:
    rows = [f"PHANTOM_{n},7{n}.5,300000000,3600,6586.2" for n in range(4)]
    path.write_text("\n".join(["patient_id,weight_kg,injected_activity_bq,delay_s,half_life_s", *rows, ""]))


def write_journal(path: Path) -> None:
    """Prepare two cases, and take away what says that all are."""
    for name in ("a.nii", "b.nii"):
        write_nifti(path.parent / name)
    (path.parent / SOUND).write_bytes(resume(path))
    paths.manifest(path.parent).unlink()


def resume(path: Path) -> bytes:
    """Prepare the two cases, or what is left to do; return the bytes of the manifest."""
    cases = [NativeCase(name, name, (path.parent / f"{name}.nii",)) for name in ("a", "b")]
    prepare_cases(cases, path.parent, path.parent, registry.dataset_card("adni"), "native")
    return paths.manifest(path.parent).read_bytes()


def read_folds(path: Path) -> Any:
    return brats21.read_folds(path, set(BRATS))


def holds_folds(found: Any, path: Path, is_cut: bool) -> None:
    assert all(case_id in BRATS and fold >= 0 for case_id, fold in found)


def holds_scans(found: Any, path: Path, is_cut: bool) -> None:
    assert found and all(image_id == scan.image_id and scan.source == path for image_id, scan in found.items())


def holds_list(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that no case is lost, and that each has a volume and a label that are there; `prepare` counts names."""
    assert {"liver_0", "liver_1", "liver_10"} <= {case.case_id for case in found}
    assert all(file.is_file() for case in found for file in case.files())


def holds_rows(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that every case could be one."""
    assert len({case.case_id for case in found}) == len(found) > 0
    for case in found:
        assert case.case_id and case.patient_id and case.modality in ("CT", "MRI", "PET")
        assert len(case.channels) == len(case.units) and all(case.channels)
        assert len(case.shape) == 3 and min(case.shape) > 0
        assert case.spacing_mm is None or (len(case.spacing_mm) == 3 and all(0 < mm < np.inf for mm in case.spacing_mm))
        assert np.isfinite(case.affine).all()
        files = [case.image, *filter(None, [case.label_image]), *case.attachments.values()]
        assert all(file.resolve().parent == path.parent.resolve() for file in files)


def holds_parts(found: Any, path: Path, is_cut: bool) -> None:
    for (split, fold), parts in found.items():
        assert split and fold >= 0
        assert all(case_id and part in ("train", "val", "test") for case_id, part in parts.items())


def holds_injections(found: Any, path: Path, is_cut: bool) -> None:
    for patient, injection in found.items():
        assert patient and 0 < injection.suv_per_bq_ml < np.inf


def holds_manifest(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that the manifest is the one that an undisturbed preparation writes."""
    assert found == (path.parent / SOUND).read_bytes()
    paths.manifest(path.parent).unlink()


def read_list(path: Path) -> Any:
    return find_cases(path.parent)


def read_search(path: Path) -> Any:
    return adni._read_search(path.parent)


TEXTS = {
    "journal": Kind(paths.journal(Path()).name, write_journal, resume, holds_manifest, damaged_json_lines),
    "list": Kind("dataset.json", write_list, read_list, holds_list, damaged_json),
    "folds": Kind("brats21_folds.json", write_folds, read_folds, holds_folds, damaged_json),
    "search": Kind("search.csv", write_search, read_search, holds_scans, damaged_table),
    "manifest": Kind("manifest.csv", write_rows, read_cases, holds_rows, damaged_table),
    "splits": Kind("splits.csv", write_parts, read_splits, holds_parts, damaged_table),
    "metadata": Kind("udpet_metadata.csv", write_injections, read_metadata, holds_injections, damaged_table),
}
