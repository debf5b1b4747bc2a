"""What each dataset's `prepare` writes is what its native files hold, though these lie oblique, permuted and shifted.

The native files are read here with nibabel and Pillow alone. The same check must fail for a case that was spoiled on
the way: an axis swapped, an affine flipped, channels in another order, labels exchanged, values in another unit.
"""

import csv
import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from voxelbench import paths, registry
from voxelbench.data.case import Case, read_cases
from voxelbench.data.splits import select

_PERMUTATION = [[2, -1], [0, 1], [1, -1]]
"""Where each axis of a twin's file goes, and in which direction: (X, Y, Z) is stored as (Y, Z, X), two of them back."""


@dataclass(frozen=True)
class Volume:
    """A native file: values (I, J, K), the affine that places them, or None where the source has none."""

    path: Path
    values: np.ndarray
    affine: np.ndarray | None


@dataclass(frozen=True)
class Source:
    """What the native files of one case say. A channel is its unit and its volume, in the order of the card."""

    case_id: str
    patient_id: str
    channels: dict[str, tuple[str, Volume]]
    label: Volume | None = None
    target: int | None = None


@dataclass(frozen=True)
class Prepared:
    """What came out: the case, its volume (C, X, Y, Z) and its label map (X, Y, Z)."""

    case: Case
    image: np.ndarray
    label: np.ndarray | None


def nifti(path: Path, factor: float = 1.0) -> Volume:
    image = nib.load(path)
    return Volume(path, image.get_fdata() * factor, image.affine)


def msd(raw: Path, label_prefix: str = "") -> Iterator[Source]:
    for path in raw.glob("imagesTr/[!.]*"):
        name = path.name.replace("img", label_prefix) if label_prefix else path.name
        case_id = path.name.removesuffix(".nii.gz")
        yield Source(case_id, case_id, {"ct": ("HU", nifti(path))}, nifti(raw / "labelsTr" / name))


def brats(raw: Path, separator: str, contrasts: tuple[str, ...], n_visit: int) -> Iterator[Source]:
    for folder in raw.glob("*/BraTS*"):
        channels = {name: ("arbitrary", nifti(folder / f"{folder.name}{separator}{name}.nii.gz")) for name in contrasts}
        label = nifti(folder / f"{folder.name}{separator}seg.nii.gz")
        yield Source(folder.name, folder.name[: len(folder.name) - n_visit], channels, label)


def autopet(raw: Path) -> Iterator[Source]:
    for study in raw.glob("*/PETCT_*/*"):
        patient = study.parent.name
        channels = {"suv": ("SUV", nifti(study / "SUV.nii.gz")), "ct": ("HU", nifti(study / "CTres.nii.gz"))}
        yield Source(f"{patient}_{study.name.replace(' ', '-')}", patient, channels, nifti(study / "SEG.nii.gz"))


def adni(raw: Path) -> Iterator[Source]:
    (search,) = raw.glob("*.csv")
    groups = {row["Image Data ID"]: row["Group"] for row in csv.DictReader(search.open())}
    for path in raw.rglob("[!.]*.nii"):
        image_id, subject = path.parent.name, path.parents[3].name
        target = ("CN", "AD").index(groups[image_id])
        yield Source(f"{subject}_{image_id}", subject, {"pet": ("arbitrary", nifti(path))}, target=target)


def udpet(raw: Path) -> Iterator[Source]:
    for row in csv.DictReader((raw / "udpet_metadata.csv").open()):
        decay = 2 ** (float(row["delay_s"]) / float(row["half_life_s"]))
        suv_per_bq_ml = 1000 * float(row["weight_kg"]) * decay / float(row["injected_activity_bq"])
        doses = ("full", "drf4", "drf10", "drf20", "drf50", "drf100")
        volumes = {dose: nifti(raw / row["patient_id"] / f"{dose}.nii.gz", suv_per_bq_ml) for dose in doses}
        channels = {dose: ("SUV", volume) for dose, volume in volumes.items()}
        yield Source(row["patient_id"], row["patient_id"], channels)


def cc_ccii(raw: Path) -> Iterator[Source]:
    for scan in filter(Path.is_dir, raw.glob("*/*/*")):
        slices = [np.asarray(Image.open(scan / f"{z}.png")).T for z in range(len(list(scan.glob("[!.]*"))))]
        patient, target = f"p{scan.parent.name}", ("Normal", "CP", "NCP").index(scan.parents[1].name)
        channels = {"slices": ("grey level", Volume(scan, np.stack(slices, -1), None))}
        yield Source(f"{patient}-s{scan.name}", patient, channels, target=target)


SOURCES: dict[str, Callable[[Path], Iterator[Source]]] = {
    "btcv": partial(msd, label_prefix="label"),
    "msd_liver": msd,
    "msd_lung": msd,
    "msd_spleen": msd,
    "brats21": partial(brats, separator="_", contrasts=("flair", "t1ce", "t1", "t2"), n_visit=0),
    "brats23": partial(brats, separator="-", contrasts=("t1n", "t1c", "t2w", "t2f"), n_visit=4),
    "autopet": autopet,
    "adni": adni,
    "udpet": udpet,
    "cc_ccii": cc_ccii,
}


def oblique() -> np.ndarray:
    """Return the affine that turns a scan by 9 degrees about Z, then 6 about X, and puts it far from the origin."""
    (c, s), (u, v) = ((np.cos(angle), np.sin(angle)) for angle in np.radians((9, 6)))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, u, -v], [0, v, u]]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    affine[:3, 3] = (-31.7, 112.3, 1403.25)
    return affine


def bend(path: Path) -> None:
    """Rewrite a file as other software would: permuted, oblique, shifted, and whole numbers behind an intercept."""
    turned = nib.load(path, mmap=False).as_reoriented(np.array(_PERMUTATION))
    values = np.asanyarray(turned.dataobj)
    image = nib.Nifti1Image(values, oblique() @ turned.affine)
    if values.dtype == np.int16:
        image.header.set_slope_inter(1, -1024)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7")


@pytest.fixture(scope="session")
def round_trip(drawn_twin, tmp_path_factory):
    """Return a function that bends a twin and prepares it, once a session: (sources by id, prepared by id, card)."""

    @cache
    def run(name):
        raw, out = (tmp_path_factory.mktemp("round_trip") / part for part in (name, "out"))
        drawn, card = drawn_twin(name)
        shutil.copytree(drawn, raw)
        for path in [*raw.rglob("*.nii.gz"), *raw.rglob("*.nii")]:
            bend(path)
        registry.load_dataset(name).prepare(raw, out, card, "native")
        cases = read_cases(paths.manifest(out))
        return (
            {source.case_id: source for source in SOURCES[name](raw)},
            {case.case_id: Prepared(case, case.read(), case.label()) for case in cases},
            card,
        )

    return run


def assert_same_place(affine: np.ndarray, prepared: np.ndarray, native: Volume) -> None:
    """Assert that every voxel of a native file is found, with its value, at the same place in mm."""
    assert prepared.size == native.values.size
    source = np.eye(4) if native.affine is None else native.affine
    world = source[:3, :3] @ np.indices(native.values.shape).reshape(3, -1) + source[:3, 3:]
    there = np.linalg.solve(affine[:3, :3], world - affine[:3, 3:])
    voxels = there.round().astype(int)
    assert np.abs(there - voxels).max() < 1e-2
    assert (voxels >= 0).all() and (voxels < np.reshape(prepared.shape, (3, 1))).all()
    np.testing.assert_allclose(prepared[tuple(voxels)], native.values.ravel(), rtol=1e-5)


def spacing_in_ras(affine: np.ndarray) -> np.ndarray:
    """Return the distance of voxels along the axes of a file that run most to the right, to the front and up."""
    along = np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)).argmax(0)
    return np.linalg.norm(affine[:3, :3], axis=0)[np.argsort(along)]


def assert_faithful(prepared: Prepared, source: Source) -> None:
    """Assert that a prepared case is its source: identity, units, geometry, and every voxel of image and label."""
    case, native = prepared.case, next(iter(source.channels.values()))[1]
    assert (case.case_id, case.patient_id, case.target) == (source.case_id, source.patient_id, source.target)
    assert case.channels == tuple(source.channels)
    assert case.units == tuple(unit for unit, _ in source.channels.values())
    assert prepared.image.shape == (len(source.channels), *case.shape)
    if native.affine is None:
        assert case.spacing_mm is None
    else:
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        assert case.spacing_mm == pytest.approx(spacing_in_ras(native.affine), rel=1e-5)
    for volume, (_, channel) in zip(prepared.image, source.channels.values(), strict=True):
        assert_same_place(case.affine, volume, channel)
    assert (prepared.label is None) == (source.label is None)
    if source.label is not None:
        assert_same_place(case.affine, prepared.label, source.label)


every_set = pytest.mark.parametrize("name", SOURCES)


@every_set
def test_every_voxel_is_where_it_was(name, round_trip):
    sources, prepared, card = round_trip(name)
    assert set(prepared) == set(sources) and len(sources) == 6
    for case_id, source in sources.items():
        assert_faithful(prepared[case_id], source)
        assert tuple(source.channels) == card.channels


@every_set
def test_manifest_says_what_the_native_files_were(name, round_trip):
    sources, prepared, _ = round_trip(name)
    folder = next(iter(prepared.values())).case.image.parent
    rows = list(csv.DictReader(paths.manifest(folder).open()))
    assert [row["case_id"] for row in rows] == sorted(sources)
    for row in rows:
        source = sources[row["case_id"]]
        native = next(iter(source.channels.values()))[1]
        assert row["channels"] == ";".join(source.channels)
        assert row["native_shape"] == ";".join(map(str, native.values.shape))
        affine = np.eye(4) if native.affine is None else native.affine
        np.testing.assert_allclose([float(part) for part in row["native_affine"].split(";")], affine.ravel(), rtol=1e-6)
        assert row["sha256"] == hashlib.sha256((folder / row["image"]).read_bytes()).hexdigest()
        assert Path(row["native_label"]).name == (source.label.path.name if source.label else "")


@every_set
def test_a_case_is_in_the_part_that_its_patient_has(name, round_trip):
    sources, prepared, card = round_trip(name)
    split, rule = card.default_split, card.splits[card.default_split]
    cases = [it.case for it in prepared.values()]
    parts = {part: {case.case_id for case in select(cases, card, split, 0, part)} for part in ("train", "val", "test")}
    assert {part: len(ids) for part, ids in parts.items()} == {"train": 2, "val": 2, "test": 2}
    listed = {row["case_id"]: row["part"] for row in splits_csv(name) if (row["split"], row["fold"]) == (split, "0")}
    for case_id, source in sources.items():
        is_tested = rule.rule == "hash" and hashed(name, split, source.patient_id) < 1 / rule.n_folds
        assert (case_id in parts["test"]) == (is_tested or listed.get(case_id) == "test")
        if case_id not in parts["test"] and "val" not in listed.values():
            is_held_out = hashed(name, split, source.patient_id, "validation") < rule.validation
            assert (case_id in parts["val"]) == is_held_out


def splits_csv(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((registry.folder("datasets", name) / "splits.csv").open()))


def hashed(*words: str) -> float:
    return int(hashlib.sha256(":".join(words).encode()).hexdigest()[:8], 16) / 16**8


def moved(prepared: Prepared, **changes: object) -> Prepared:
    return replace(prepared, case=replace(prepared.case, **changes))


def exchanged(label: np.ndarray) -> np.ndarray:
    """Return the label map with its two highest values exchanged."""
    low, high = np.unique(label)[-2:]
    return np.where(label == low, high, np.where(label == high, low, label))


HALF_A_VOXEL = np.eye(4)
HALF_A_VOXEL[0, 3] = 0.5

SPOILED: dict[str, Callable[[Prepared], Prepared]] = {
    "axes swapped": lambda it: replace(it, image=it.image.swapaxes(1, 2)),
    "axes permuted": lambda it: replace(it, image=it.image.transpose(0, 3, 1, 2)),
    "left is right": lambda it: replace(it, image=it.image[:, ::-1]),
    "upside down": lambda it: replace(it, image=it.image[..., ::-1]),
    "one voxel off": lambda it: replace(it, image=np.roll(it.image, 1, axis=3)),
    "affine flipped": lambda it: moved(it, affine=it.case.affine @ np.diag([-1, 1, 1, 1])),
    "world flipped": lambda it: moved(it, affine=np.diag([-1, -1, 1, 1]) @ it.case.affine),
    "affine turned and shifted": lambda it: moved(it, affine=oblique() @ it.case.affine),
    "origin half a voxel off": lambda it: moved(it, affine=it.case.affine @ HALF_A_VOXEL),
    "values of another scale": lambda it: replace(it, image=it.image * 1.001),
    "intercept forgotten": lambda it: replace(it, image=it.image + 1024),
    "one voxel changed": lambda it: replace(it, image=np.where(it.image == it.image.max(), 0, it.image)),
    "another unit": lambda it: moved(it, units=("kBq",) * len(it.case.units)),
    "another patient": lambda it: moved(it, patient_id="another"),
}
SPOILED_SPACING = {
    "spacing of another order": lambda it: moved(it, spacing_mm=it.case.spacing_mm[::-1]),
    "axes of another code": lambda it: moved(it, affine=it.case.affine[:, [1, 0, 2, 3]]),
}
SPOILED_CHANNELS = {
    "channels of another order": lambda it: replace(it, image=it.image[::-1]),
    "names of another order": lambda it: moved(it, channels=it.case.channels[::-1]),
}
SPOILED_LABEL = {
    "labels exchanged": lambda it: replace(it, label=exchanged(it.label)),
    "label left is right": lambda it: replace(it, label=it.label[::-1]),
    "label one voxel off": lambda it: replace(it, label=np.roll(it.label, 1, axis=2)),
    "label lost": lambda it: replace(it, label=None),
}
SPOILED_CLASS = {"another class": lambda it: moved(it, target=1 - it.case.target)}


def spoilers(prepared: Prepared) -> dict[str, Callable[[Prepared], Prepared]]:
    """Return all that can go wrong with such a case."""
    case = prepared.case
    return (
        SPOILED
        | (SPOILED_SPACING if case.spacing_mm else {})
        | (SPOILED_CHANNELS if len(case.channels) > 1 else {})
        | (SPOILED_LABEL if case.label_image else {})
        | (SPOILED_CLASS if case.target is not None else {})
    )


def is_faithful(prepared: Prepared, source: Source) -> bool:
    try:
        assert_faithful(prepared, source)
    except AssertionError:
        return False
    return True


@every_set
def test_a_spoiled_case_is_noticed(name, round_trip):
    sources, prepared, _ = round_trip(name)
    case_id = next(case_id for case_id, it in sorted(prepared.items()) if it.label is None or it.label.any())
    case, source = prepared[case_id], sources[case_id]
    assert is_faithful(case, source)
    assert [spoiled for spoiled, spoil in spoilers(case).items() if is_faithful(spoil(case), source)] == []
