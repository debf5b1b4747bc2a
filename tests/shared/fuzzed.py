"""Reads damaged files one after another, within bounds: `python fuzzed.py FOLDER N_CASES KIND...`.

A process of its own, so that a crash or a hang of a C library is a failed test and no dead suite. Prints a JSON line
before each file, which one it is, and another after it, how it ended.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
import SimpleITK as sitk
from damage import damaged_bytes, damaged_json, damaged_json_lines, damaged_table
from phantom_dicom import SeriesWriter, pet_tags, write_segmentation
from PIL import Image

from voxelbench import paths, registry
from voxelbench.data.cache import read_volume, write_volume
from voxelbench.data.case import read_cases
from voxelbench.data.manifest import Row, write_manifest
from voxelbench.data.msd import find_cases
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.readers import read, segmentation
from voxelbench.data.splits import read_splits
from voxelbench.data.suv_readers import SuvSeries
from voxelbench.datasets.adni import dataset as adni
from voxelbench.datasets.brats21.dataset import _read_folds as read_folds
from voxelbench.datasets.udpet.metadata import read_metadata
from voxelbench.errors import VoxelbenchError

SHAPE = (9, 14, 6)
AFFINE = np.array([[0.8, 0, 0, -10], [0, 1.5, 0, 20], [0, 0, 3.0, 5], [0, 0, 0, 1]])
VOLUME = np.random.RandomState(0).randint(-1000, 3000, SHAPE).astype(np.int16)
SOUND = "sound.csv"
MAX_ADDED_BYTES, MAX_SECONDS = 1 << 28, 2.0


@dataclass(frozen=True)
class Kind:
    """How to write a sound file, `name`, into a folder, how it comes to harm, how it is read, and what must then hold.

    `holds` is given what was read, the damaged file, and whether that is a mere beginning of the sound one.
    """

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], Any]
    holds: Callable[[Any, Path, bool], None]
    damaged: Callable[[bytes, np.random.RandomState], bytes] = damaged_bytes


def write_nifti(path: Path) -> None:
    nib.Nifti1Image(VOLUME, AFFINE).to_filename(path)


def write_nrrd(path: Path, encoding: str) -> None:
    lps = np.diag([-1, -1, 1]) @ AFFINE[:3]
    header = {"space": "left-posterior-superior", "space directions": lps[:, :3].T, "space origin": lps[:, 3]}
    nrrd.write(str(path), VOLUME, header | {"encoding": encoding})


def write_metaimage(path: Path, is_compressed: bool) -> None:
    image = sitk.GetImageFromArray(VOLUME.T)
    image.SetSpacing([0.8, 1.5, 3.0])
    sitk.WriteImage(image, path, is_compressed)


def write_series(path: Path) -> None:
    SeriesWriter(path.parent).write(VOLUME)


def write_pet(path: Path) -> None:
    SeriesWriter(path.parent, "PT").write(VOLUME, **pet_tags(3.5e8, 70.0, 3600))


def write_mask(path: Path) -> None:
    write_segmentation(path, VOLUME > 1000, SeriesWriter(path.parent))


def write_folds(path: Path) -> None:
    names = [f"BraTS2021_{n:05d}" for n in range(3)]
    entries = [
        {"fold": 0, "image": [f"{name}/{name}_flair.nii.gz"], "label": f"{name}/{name}_seg.nii.gz"} for name in names
    ]
    path.write_text(json.dumps({"training": entries}))


def write_search(path: Path) -> None:
    rows = [f'"I{n}","002_S_000{n}","CN","PET"' for n in range(3)]
    path.write_text("\n".join(['"Image Data ID","Subject","Group","Modality"', *rows, ""]))


def write_stack(path: Path) -> None:
    for z in range(SHAPE[2]):
        Image.fromarray((VOLUME[..., z].T & 255).astype(np.uint8)).save(path.with_name(f"{z}.png"))


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


def is_sound(found: Any) -> None:
    """Assert that nothing was lost: the volume is the one that was written, at its place."""
    np.testing.assert_array_equal(found[0], VOLUME)
    np.testing.assert_allclose(found[1], AFFINE, atol=1e-5)


def holds_volume(independent: Callable[[Path], Any], found: Any, path: Path, is_cut: bool) -> None:
    """Assert that a volume is what another reader finds in the same damaged file, and whole if that was cut."""
    if is_cut:
        is_sound(found)
    values, affine = found
    other, place = independent(path)
    np.testing.assert_allclose(values, np.asarray(other).reshape(values.shape), rtol=1e-5)
    assert affine is None or np.isfinite(affine).all()
    if place is not None:
        np.testing.assert_allclose(affine, place, rtol=1e-5, atol=1e-5)


def by_nibabel(path: Path) -> Any:
    image = nib.load(path, mmap=False)
    return np.asanyarray(image.dataobj), image.affine


def by_pynrrd(path: Path) -> Any:
    values, header = nrrd.read(str(path))
    return values, np.diag([-1, -1, 1, 1]) @ nib.affines.from_matvec(
        header["space directions"].T, header["space origin"]
    )


def by_offset(path: Path) -> Any:
    """Take the voxels of a MetaImage as they follow its header."""
    header, _, content = path.read_bytes().partition(b"ElementDataFile = LOCAL\n")
    fields = {
        key.strip(): value.strip() for key, _, value in (line.partition("=") for line in header.decode().splitlines())
    }
    shape = [int(length) for length in fields["DimSize"].split()]
    types = {"MET_SHORT": "<i2", "MET_USHORT": "<u2", "MET_CHAR": "i1", "MET_UCHAR": "u1"}
    order = ">" if fields.get("BinaryDataByteOrderMSB") == "True" else "<"
    dtype = np.dtype(types[fields["ElementType"]]).newbyteorder(order)
    return np.frombuffer(content, dtype, int(np.prod(shape))).reshape(shape, order="F"), None


def holds_checksum(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that what has a checksum is read as it was written, or not at all."""
    is_sound(found)


def holds_voxels(found: Any, path: Path, is_cut: bool) -> None:
    np.testing.assert_array_equal(found, VOLUME)


def holds_values(found: Any, path: Path, is_cut: bool) -> None:
    np.testing.assert_array_equal(found[0], VOLUME)


def holds_series(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that all slices but the damaged one are what and where they were."""
    z = next(z for z in range(SHAPE[2]) if path.stem == f"PHANTOM_{z * 7 % SHAPE[2]:04d}")
    values, affine = found
    assert values.shape == SHAPE and np.isfinite(values).all()
    np.testing.assert_allclose(np.delete(values, z, 2), np.delete(VOLUME, z, 2), rtol=1e-5)
    np.testing.assert_allclose(affine, np.diag([-1, -1, 1, 1]) @ AFFINE, atol=0.5)
    if is_cut:
        np.testing.assert_allclose(values, VOLUME, rtol=1e-5)


def holds_suv(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that one damaged header does not change the factor of the series."""
    left_bq = 3.5e8 * 2 ** (-3600 / 6586.2)
    holds_series((found[0] / (70.0 * 1000 / left_bq), found[1]), path, is_cut)


def holds_mask(found: Any, path: Path, is_cut: bool) -> None:
    assert found.shape == SHAPE and set(np.unique(found)) <= {0, 1}
    assert not is_cut or ((found > 0) == (VOLUME > 1000)).all()


def holds_pairs(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that what a list says is text."""
    assert all(isinstance(image, str) and isinstance(label, Path) for image, label in found)


def holds_scans(found: Any, path: Path, is_cut: bool) -> None:
    assert found and all(image_id == scan.image_id and scan.source == path for image_id, scan in found.items())


def holds_stack(found: Any, path: Path, is_cut: bool) -> None:
    np.testing.assert_array_equal(found[0], VOLUME & 255)


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


def read_suv(path: Path) -> Any:
    return SuvSeries(path.parent)()


def read_mask(path: Path) -> Any:
    return segmentation.read(path.parent, SHAPE, np.diag([-1, -1, 1, 1]) @ AFFINE)


def read_search(path: Path) -> Any:
    return adni._read_search(path.parent)


def read_folder(path: Path) -> Any:
    return read(path.parent)


KINDS = {
    "nifti": Kind("a.nii", write_nifti, read, partial(holds_volume, by_nibabel)),
    "gzip": Kind("a.nii.gz", write_nifti, read, holds_checksum),
    "nrrd": Kind("a.nrrd", partial(write_nrrd, encoding="raw"), read, partial(holds_volume, by_pynrrd)),
    "nrrd_gzip": Kind("a.nrrd", partial(write_nrrd, encoding="gzip"), read, partial(holds_volume, by_pynrrd)),
    "nrrd_bzip2": Kind("a.nrrd", partial(write_nrrd, encoding="bzip2"), read, partial(holds_volume, by_pynrrd)),
    "metaimage": Kind("a.mha", partial(write_metaimage, is_compressed=False), read, partial(holds_volume, by_offset)),
    "metaimage_zlib": Kind("a.mha", partial(write_metaimage, is_compressed=True), read, holds_values),
    "npy": Kind(
        "a.npy", lambda path: np.save(path, VOLUME), read, partial(holds_volume, lambda path: (np.load(path), None))
    ),
    "dicom": Kind("PHANTOM_0002.dcm", write_series, read_folder, holds_series),
    "pet": Kind("PHANTOM_0000.dcm", write_pet, read_suv, holds_suv),
    "segmentation": Kind("mask.dcm", write_mask, read_mask, holds_mask),
    "stack": Kind("3.png", write_stack, read_folder, holds_stack),
    "cache": Kind("a.h5", lambda path: write_volume(path, VOLUME), read_volume, holds_voxels),
    "journal": Kind(paths.journal(Path()).name, write_journal, resume, holds_manifest, damaged_json_lines),
    "list": Kind("dataset.json", write_list, read_list, holds_list, damaged_json),
    "folds": Kind("brats21_folds.json", write_folds, read_folds, holds_pairs, damaged_json),
    "search": Kind("search.csv", write_search, read_search, holds_scans, damaged_table),
    "manifest": Kind("manifest.csv", write_rows, read_cases, holds_rows, damaged_table),
    "splits": Kind("splits.csv", write_parts, read_splits, holds_parts, damaged_table),
    "metadata": Kind("udpet_metadata.csv", write_injections, read_metadata, holds_injections, damaged_table),
}


def outcome(kind: Kind, path: Path, is_cut: bool) -> str:
    """Return "read" for what was read and holds, the sentence of a refusal, or what else went wrong after a "!"."""
    try:
        kind.holds(kind.read(path), path, is_cut)
    except VoxelbenchError as error:
        sentence = str(error)
        is_one = "\n" not in sentence and sentence.endswith(".") and str(path.parent) in sentence
        return sentence if is_one and "MemoryError" not in sentence else f"! {sentence}"
    except Exception as error:
        return f"! {type(error).__name__}: {error}"
    return "read"


def limit_memory() -> None:
    """Let this process ask the system for some more memory than it has by now, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MAX_ADDED_BYTES,) * 2)


def damage_all(kind: Kind, folder: Path, n_cases: int) -> Iterator[dict[str, object]]:
    """Damage and read `n_cases` files of a kind; yield the number of each, and then how it ended."""
    folder.mkdir()
    path = folder / kind.name
    kind.write(path)
    sound = path.read_bytes()
    kind.holds(kind.read(path), path, False)
    for number in range(n_cases):
        yield {"number": number}
        damaged = kind.damaged(sound, np.random.RandomState(number))
        path.write_bytes(damaged)
        started = time.process_time()
        ended = outcome(kind, path, is_cut=sound.startswith(damaged) and damaged != sound)
        taken = time.process_time() - started
        yield {"ended": ended if taken < MAX_SECONDS else f"! took {taken:.1f} s of processor time"}


def main(folder: Path, n_cases: int, kinds: list[str]) -> None:
    """Damage and read `n_cases` files of each kind."""
    limit_memory()
    for kind in kinds:
        for event in damage_all(KINDS[kind], folder / kind, n_cases):
            print(json.dumps({"kind": kind, **event}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
