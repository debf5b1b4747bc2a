import plistlib
import shutil

import numpy as np
import pytest

from voxelbench import registry
from voxelbench.data.case import read_cases
from voxelbench.errors import DataError

SHAPE = (4, 6, 5)
"""Slices, rows, columns."""


@pytest.fixture
def card():
    return registry.dataset_card("debian_ct")


@pytest.fixture
def dataset():
    return registry.load_dataset("debian_ct")


@pytest.fixture
def raw(tmp_path):
    """Write a project as InVesalius does, and return the folder above it."""
    folder = tmp_path / "raw" / "cranium" / "tmp"
    folder.mkdir(parents=True)
    header = {"matrix": {"shape": list(SHAPE), "dtype": "int16"}, "spacing": [0.9, 0.8, 1.5], "modality": "CT"}
    (folder / "main.plist").write_bytes(plistlib.dumps(header))
    np.arange(120, dtype="<i2").tofile(folder / "matrix.dat")
    return tmp_path / "raw"


def test_slices_run_to_the_left_and_the_back_and_upwards(dataset, card, raw, tmp_path):
    dataset.prepare(raw, tmp_path / "out", card, "native")
    (case,) = read_cases(tmp_path / "out" / "manifest.csv")
    assert case.case_id == "cranium" and case.shape == (5, 6, 4)
    assert case.spacing_mm == pytest.approx((0.9, 0.8, 1.5))
    # The first voxel of the file is the rightmost and frontmost; the second lies to the left of it, which is -X.
    assert case.read()[0, 4, 5, 0] == 0 and case.read()[0, 3, 5, 0] == 1
    assert case.read()[0, 4, 4, 0] == 5 and case.read()[0, 4, 5, 1] == 30
    assert case.affine @ [4, 5, 0, 1] == pytest.approx([0, 0, 0, 1])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "matrix.dat").write_bytes(b"\0" * 100),
        lambda folder: (folder / "matrix.dat").unlink(),
        lambda folder: (folder / "main.plist").write_text("<plist"),
        lambda folder: (folder / "main.plist").write_bytes(plistlib.dumps({"spacing": [1.0, 1.0, 1.0]})),
        lambda folder: (folder / "main.plist").write_bytes(plistlib.dumps(["a", "list"])),
    ],
    ids=["truncated", "no voxels", "no plist", "no shape", "a list"],
)
def test_a_damaged_project_is_refused(dataset, card, raw, tmp_path, spoil):
    spoil(raw / "cranium" / "tmp")
    with pytest.raises(DataError, match=r"matrix\.dat: not the whole volume that main\.plist describes"):
        dataset.prepare(raw, tmp_path / "out", card, "native")


def test_nothing_there_says_so(dataset, card, tmp_path):
    with pytest.raises(DataError, match="no case of debian_ct found"):
        dataset.prepare(tmp_path / "raw", tmp_path / "out", card, "native")


@pytest.mark.network
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt")
def test_the_real_package_holds_what_the_readme_says(dataset, card, tmp_path):
    dataset.download(tmp_path / "raw", card)
    assert all(len(each.found(tmp_path / "raw")) == each.n for each in card.layout)
    dataset.prepare(tmp_path / "raw", tmp_path / "out", card, "native")
    (case,) = read_cases(tmp_path / "out" / "manifest.csv")
    assert case.shape == (256, 256, 108)
    assert case.spacing_mm == pytest.approx((0.957, 0.957, 1.5), abs=1e-3)
    assert (case.read().min(), case.read().max()) == card.value_range[0]
