from functools import partial

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from voxelbench import registry
from voxelbench.data.case import read_cases
from voxelbench.data.download import unpack
from voxelbench.data.readers import read
from voxelbench.data.splits import select
from voxelbench.errors import ChecksumError, DataError

NAME = "ct_samples"
SHAPE = (6, 5, 98)
"""Of the fake abdomen: four slices above the cut."""
SLICES = np.random.RandomState(2).randint(-1000, 1000, (6, 5, 3))
"""Of the fake DICOM series, X to the left and Y to the back."""


@pytest.fixture
def card():
    return registry.dataset_card(NAME)


@pytest.fixture
def dataset():
    return registry.load_dataset(NAME)


@pytest.fixture
def fake_index(serve_archives, card, dicom_series):
    """Serve two tiny archives of the real layout; return the card with their checksums."""
    totalsegmentator = partial(_write_totalsegmentator, dicom_series)
    return serve_archives(card, {"pyradiomics": _write_pyradiomics, "totalsegmentator": totalsegmentator})


def _write_pyradiomics(root):
    rng, data = np.random.RandomState(0), root / "data"
    data.mkdir()
    for number in (1, 2):
        image = sitk.GetImageFromArray(rng.randint(-1000, 1000, (4, 5, 6)).astype(np.int16))
        image.SetSpacing((0.5, 0.75, 5.0))
        image.SetOrigin((10.0, 20.0, 30.0))
        label = sitk.GetImageFromArray(np.eye(5, 6, dtype=np.int16)[None].repeat(4, axis=0))
        label.CopyInformation(image)
        sitk.WriteImage(image, data / f"lung{number}_image.nrrd")
        sitk.WriteImage(label, data / f"lung{number}_label.nrrd")


def _write_totalsegmentator(dicom_series, root):
    rng, reference = np.random.RandomState(1), root / "tests" / "reference_files"
    (reference / "aorta_report").mkdir(parents=True)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    volume = rng.randint(-1000, 1000, SHAPE).astype(np.int32)
    label = np.where(volume > 0, 5, 117).astype(np.uint8)  # liver; 117 is a class that BTCV does not have
    nib.save(nib.Nifti1Image(volume, affine), reference / "example_ct.nii.gz")
    nib.save(nib.Nifti1Image(label, affine), reference / "example_seg_fast_force_split.nii.gz")
    nib.save(nib.Nifti1Image(volume.astype(np.int16), affine), reference / "aorta_report" / "example_ct.nii.gz")
    dicom_series(reference / "example_ct_dicom", suffix="").write(SLICES)


def _prepared(dataset, raw, out, card, grid="native"):
    dataset.prepare(raw, out, card, grid)
    return {case.case_id: case for case in read_cases(out / "manifest.csv")}


def test_fake_archives_become_cases_in_ras_with_mapped_labels(dataset, fake_index, tmp_path):
    raw = tmp_path / "raw"
    dataset.download(raw, fake_index)
    cases = _prepared(dataset, raw, tmp_path / "out", fake_index)

    assert sorted(cases) == ["abdomen", "abdomen_lower", "abdomen_upper", "dicom", "lung1", "lung2", "thorax"]
    assert set(np.unique(cases["abdomen_lower"].label())) == {0, 6}
    assert cases["abdomen"].label() is None
    assert np.array_equal(cases["dicom"].read()[0], SLICES[::-1, ::-1])

    lung = cases["lung1"]
    assert lung.spacing_mm == pytest.approx((0.5, 0.75, 5.0))
    assert set(np.unique(lung.label())) == {0, 14}
    # ITK has the first voxel at (10, 20, 30) left, posterior, superior; in RAS that is the last one of X and Y.
    assert lung.affine @ [5, 4, 0, 1] == pytest.approx([-10, -20, 30, 1])
    first = sitk.GetArrayFromImage(sitk.ReadImage(raw / "pyradiomics/pyradiomics-3.0.1/data/lung1_image.nrrd"))[0, 0, 0]
    assert lung.read()[0, 5, 4, 0] == first


def test_blocks_lie_where_the_whole_scan_has_them(dataset, fake_index, tmp_path):
    dataset.download(tmp_path / "raw", fake_index)
    cases = _prepared(dataset, tmp_path / "raw", tmp_path / "out", fake_index)
    whole, lower, upper = (cases[name] for name in ("abdomen", "abdomen_lower", "abdomen_upper"))
    assert np.array_equal(np.concatenate([lower.read(), upper.read()], axis=-1), whole.read())
    assert upper.affine @ [0, 0, 0, 1] == pytest.approx(whole.affine @ [0, 0, lower.shape[2], 1])


def test_only_the_scans_are_unpacked(dataset, fake_index, tmp_path):
    dataset.download(tmp_path / "raw", fake_index)
    assert not list((tmp_path / "raw").rglob("setup.py"))


def test_a_second_download_fetches_nothing(dataset, fake_index, tmp_path, monkeypatch):
    dataset.download(tmp_path / "raw", fake_index)
    scan = next((tmp_path / "raw").rglob("lung1_image.nrrd"))
    before = scan.stat().st_mtime_ns
    dataset.download(tmp_path / "raw", fake_index)
    assert scan.stat().st_mtime_ns == before


def test_an_archive_of_another_content_is_refused(dataset, fake_index, card, tmp_path):
    with pytest.raises(ChecksumError, match=r"has sha256 [0-9a-f]{64}, expected 5d4223ef"):
        dataset.download(tmp_path / "raw", card)


def test_a_missing_download_says_what_to_run(dataset, card, tmp_path):
    with pytest.raises(DataError, match=r"no pyradiomics-\* folder in it; run `voxelbench download ct_samples --raw "):
        dataset.prepare(tmp_path / "raw", tmp_path / "out", card, "native")


def test_a_truncated_nrrd_is_refused(dataset, fake_index, tmp_path):
    dataset.download(tmp_path / "raw", fake_index)
    scan = next((tmp_path / "raw").rglob("lung1_image.nrrd"))
    scan.write_bytes(scan.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"lung1_image\.nrrd: "):
        dataset.prepare(tmp_path / "raw", tmp_path / "out", fake_index, "native")


@pytest.fixture(scope="module")
def real_raw(tmp_path_factory):
    """Fetch the real archives once."""
    raw = tmp_path_factory.mktemp("real")
    registry.load_dataset(NAME).download(raw, registry.dataset_card(NAME))
    return raw


@pytest.mark.network
@pytest.mark.slow
def test_the_real_dicom_series_is_read_as_simpleitk_reads_it(real_raw, tmp_path):
    folder = next(real_raw.rglob("example_ct_dicom"))
    volume, affine = read(folder)

    itk = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    assert np.array_equal(volume, sitk.GetArrayFromImage(itk).T)
    for voxel in ((0, 0, 0), (511, 0, 0), (0, 511, 0), (0, 0, 19)):
        left, back, up = itk.TransformIndexToPhysicalPoint(voxel)
        assert affine @ [*voxel, 1] == pytest.approx([-left, -back, up, 1], abs=1e-4)

    # The package has a segmentation of the series, with Y the other way round: the same voxels in the world.
    unpack(next(real_raw.rglob("totalsegmentator-*.tar.gz")), tmp_path / "more", ["*/example_seg_dicom.nii.gz"])
    segmentation = nib.load(next((tmp_path / "more").rglob("*.nii.gz")))
    ours, theirs = (nib.as_closest_canonical(image) for image in (nib.Nifti1Image(volume, affine), segmentation))
    assert ours.shape == theirs.shape
    assert ours.affine == pytest.approx(theirs.affine, abs=1e-4)


@pytest.mark.network
@pytest.mark.slow
def test_the_real_archives_hold_what_the_readme_says(dataset, card, real_raw, tmp_path):
    cases = _prepared(dataset, real_raw, tmp_path / "out", card)

    facts = {
        "lung1": ((512, 512, 48), (0.5703, 0.5703, 5.0)),
        "lung2": ((512, 512, 61), (0.6270, 0.6270, 5.0)),
        "thorax": ((233, 167, 191), (1.5, 1.5, 1.5)),
        "dicom": ((512, 512, 20), (0.9766, 0.9766, 2.0)),
        "abdomen": ((122, 101, 112), (3.0, 3.0, 3.0)),
        "abdomen_lower": ((122, 101, 94), (3.0, 3.0, 3.0)),
        "abdomen_upper": ((122, 101, 18), (3.0, 3.0, 3.0)),
    }
    for name, (shape, spacing_mm) in facts.items():
        assert cases[name].shape == shape
        assert cases[name].spacing_mm == pytest.approx(spacing_mm, abs=1e-3)
    assert (cases["lung1"].label() == 14).sum() == 837
    assert (cases["lung2"].label() == 14).sum() == 24_644

    lower, upper = (
        np.bincount(cases[name].label().ravel(), minlength=14) for name in ("abdomen_lower", "abdomen_upper")
    )
    assert sum(np.minimum(lower, upper)[1:14] > 100) == 10
    assert set(np.flatnonzero(lower + upper)) == set(card.task("organs").labels) | {0, 12, 13}
    assert set(np.flatnonzero(np.minimum(lower, upper))) == set(card.task("organs").labels) | {0}

    trained = select(list(cases.values()), card, "pretrain", 0, "train")
    assert [case.case_id for case in trained] == ["abdomen", "dicom", "lung1", "lung2", "thorax"]
