import shutil

import nibabel as nib
import numpy as np
import pytest

from voxelbench import registry
from voxelbench.data.case import read_cases
from voxelbench.errors import DataError


@pytest.fixture
def card():
    return registry.dataset_card("debian_mr")


@pytest.fixture
def dataset():
    return registry.load_dataset("debian_mr")


def test_the_template_becomes_one_case(dataset, card, tmp_path):
    (expected,) = card.layout
    scan = tmp_path / "raw" / expected.pattern
    scan.parent.mkdir(parents=True)
    volume = np.arange(120, dtype=np.uint8).reshape(4, 5, 6)
    affine = np.array([[1.0, 0, 0, -90], [0, 1, 0, -125], [0, 0, 1, -71], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(volume, affine), scan)

    dataset.prepare(tmp_path / "raw", tmp_path / "out", card, "native")
    (case,) = read_cases(tmp_path / "out" / "manifest.csv")
    assert (case.case_id, case.modality, case.channels) == ("colin27", "MRI", ("t1",))
    assert np.array_equal(case.read()[0], volume) and np.array_equal(case.affine, affine)


def test_a_missing_scan_is_named(dataset, card, tmp_path):
    with pytest.raises(DataError, match=r"ch2\.nii\.gz: no such file"):
        dataset.prepare(tmp_path / "raw", tmp_path / "out", card, "native")


@pytest.mark.network
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt")
def test_the_real_package_holds_what_the_readme_says(dataset, card, tmp_path):
    dataset.download(tmp_path / "raw", card)
    dataset.prepare(tmp_path / "raw", tmp_path / "out", card, "native")
    (case,) = read_cases(tmp_path / "out" / "manifest.csv")
    assert case.shape == (181, 217, 181) and case.spacing_mm == (1.0, 1.0, 1.0)
    assert (case.read().min(), case.read().max()) == card.value_range[0]
