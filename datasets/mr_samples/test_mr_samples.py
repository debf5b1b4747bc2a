from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from voxelbench import registry
from voxelbench.data.case import read_cases
from voxelbench.data.splits import select
from voxelbench.errors import DataError

NAME = "mr_samples"
HEADS = {"brain1": (9, 11, 4), "brain2": (8, 10, 5)}
"""Shapes of the fake heads."""


@pytest.fixture
def card():
    return registry.dataset_card(NAME)


@pytest.fixture
def dataset():
    return registry.load_dataset(NAME)


@pytest.fixture
def fake_index(serve_archives, card):
    """Serve two tiny archives of the real layout; return the card with their checksums."""
    return serve_archives(card, {"pyradiomics": _write_heads, "totalsegmentator": _write_abdomen})


def _write_heads(root):
    """Write heads as the package has them: to the left, *anterior* and superior, thick slices, a lesion of 1."""
    rng, data = np.random.RandomState(0), root / "data"
    data.mkdir()
    for name, shape in HEADS.items():
        volume = rng.randint(0, 3000, shape[::-1]).astype(np.int16)
        for kind, array in (("image", volume), ("label", (volume > 2500).astype(np.int32))):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((0.75, 0.5, 6.5))
            image.SetOrigin((-100.0, 90.0, -78.0))
            image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
            sitk.WriteImage(image, data / f"{name}_{kind}.nrrd")


def _write_abdomen(root):
    rng, reference = np.random.RandomState(1), root / "tests" / "reference_files"
    reference.mkdir(parents=True)
    affine = np.array([[-3.0, 0, 0, 60], [0, -3.0, 0, 40], [0, 0, 3.0, 7], [0, 0, 0, 1]])
    for name, high in (("example_mr_sm", 800), ("example_seg_mr", 8)):
        nib.save(
            nib.Nifti1Image(rng.randint(0, high, (7, 6, 5)).astype(np.int16), affine), reference / f"{name}.nii.gz"
        )


def _prepared(dataset, raw, out, card):
    dataset.download(raw, card)
    dataset.prepare(raw, out, card, "native")
    return {case.case_id: case for case in read_cases(out / "manifest.csv")}


def test_fake_archives_become_cases_in_ras_with_the_lesion_renumbered(dataset, fake_index, tmp_path):
    cases = _prepared(dataset, tmp_path / "raw", tmp_path / "out", fake_index)

    assert sorted(cases) == ["abdomen", "brain1", "brain2"]
    assert not list((tmp_path / "raw").rglob("setup.py"))
    head = cases["brain1"]
    assert (head.modality, head.channels, head.shape) == ("MRI", ("mr",), (9, 11, 4))
    assert head.spacing_mm == pytest.approx((0.75, 0.5, 6.5))
    # The first voxel of the file is the rightmost, and lies 100 mm to the right: the last one of X, and Y is unturned.
    native = np.random.RandomState(0).randint(0, 3000, (4, 11, 9)).T
    assert head.affine @ [8, 0, 0, 1] == pytest.approx([100, -90, -78, 1])
    assert np.array_equal(head.read()[0], native[::-1])
    assert np.array_equal(head.label(), np.where(native[::-1] > 2500, 51, 0))

    abdomen, classes = cases["abdomen"], nib.load(next((tmp_path / "raw").rglob("example_seg_mr.nii.gz")))
    assert np.array_equal(abdomen.label(), np.asarray(classes.dataobj)[::-1, ::-1])
    assert abdomen.affine @ [6, 5, 0, 1] == pytest.approx(classes.affine @ [0, 0, 0, 1])


def test_each_head_is_tested_by_what_trained_on_the_other(card, tmp_path):
    names = ("abdomen", "brain1", "brain2")
    cases = [SimpleNamespace(case_id=name, patient_id=name, image=tmp_path / f"{name}.image.h5") for name in names]
    parts = {
        (fold, part): [case.case_id for case in select(cases, card, "lesion_swap", fold, part)]
        for fold in (0, 1)
        for part in ("train", "test")
    }
    assert parts == {
        (0, "train"): ["brain1"],
        (0, "test"): ["brain2"],
        (1, "train"): ["brain2"],
        (1, "test"): ["brain1"],
    }


def test_a_missing_download_says_what_to_run(dataset, card, tmp_path):
    with pytest.raises(DataError, match=r"no pyradiomics-\* folder in it; run `voxelbench download mr_samples --raw "):
        dataset.prepare(tmp_path / "raw", tmp_path / "out", card, "native")


# Voxels of each class of the abdomen, in the order of its numbers.
ABDOMEN = {
    "spleen": 1941,
    "right kidney": 1721,
    "left kidney": 1442,
    "gallbladder": 1121,
    "liver": 18_480,
    "stomach": 4221,
    "pancreas": 1176,
    "right adrenal gland": 91,
    "left adrenal gland": 86,
    "right lung": 6,
    "small bowel": 356,
    "duodenum": 508,
    "colon": 1683,
    "vertebrae": 2006,
    "intervertebral discs": 652,
    "spinal cord": 544,
    "aorta": 672,
    "inferior vena cava": 444,
    "portal and splenic veins": 511,
    "left autochthonous back muscle": 3272,
    "right autochthonous back muscle": 2869,
    "left iliopsoas muscle": 97,
    "right iliopsoas muscle": 135,
}


@pytest.mark.network
def test_the_real_archives_hold_what_the_readme_says(dataset, card, tmp_path):
    cases = _prepared(dataset, tmp_path / "raw", tmp_path / "out", card)

    facts = {
        "brain1": ((256, 256, 25), (0.78125, 0.78125, 6.5), {"brain lesion": 4137}),
        "brain2": ((256, 256, 23), (0.78125, 0.78125, 6.5), {"brain lesion": 453}),
        "abdomen": ((117, 91, 20), (3.0, 3.0, 3.0), ABDOMEN),
    }
    for name, (shape, spacing_mm, counts) in facts.items():
        case = cases[name]
        assert case.shape == shape
        assert case.spacing_mm == pytest.approx(spacing_mm)
        values, n_voxels = np.unique(case.label(), return_counts=True)
        assert dict(zip((card.labels[value] for value in values[1:]), n_voxels[1:], strict=True)) == counts
    volumes = [case.read() for case in cases.values()]
    assert (min(map(np.min, volumes)), max(map(np.max, volumes))) == card.value_range[0]
