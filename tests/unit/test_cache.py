"""The cache gives back what was written, reads boxes, writes equal bytes for equal input, and never half a file."""

import errno

import h5py
import numpy as np
import pytest

from voxelbench.data.cache import read_volume, write_volume
from voxelbench.errors import DataError

VOLUME = np.random.RandomState(0).normal(size=(3, 40, 7, 65)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "case.image.h5"


@pytest.mark.parametrize("box", [None, np.s_[3:40, 0:2, 60:65], np.s_[0:1, 6:7, 0:1]])
@pytest.mark.parametrize("channels", [None, [2], [2, 0]])
def test_a_box_equals_the_slice(path, box, channels):
    write_volume(path, VOLUME)
    expected = VOLUME[slice(None) if channels is None else channels][:, *(box or (slice(None),) * 3)]
    np.testing.assert_array_equal(read_volume(path, channels, box), expected)


def test_a_label_map_has_no_channel_axis(path):
    label = (VOLUME[0] > 0).astype(np.uint8)
    write_volume(path, label)
    np.testing.assert_array_equal(read_volume(path), label)
    np.testing.assert_array_equal(read_volume(path, box=(slice(1, 3),) * 3), label[1:3, 1:3, 1:3])


def test_equal_volumes_are_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_volume(tmp_path / name, VOLUME)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(path, monkeypatch):
    def fill(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", fill)
    with pytest.raises(DataError) as caught:
        write_volume(path, VOLUME)
    assert str(caught.value) == (
        f"{path}: no space left on the disk for a volume of 0 MB. "
        "Free some, or move `data_root` in config/config.yaml; finished cases are kept."
    )
    assert list(path.parent.iterdir()) == []


def test_a_failed_write_keeps_the_older_file(path, monkeypatch):
    write_volume(path, VOLUME)
    before = path.read_bytes()

    def fail(*args, **options):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(h5py.Group, "create_dataset", fail)
    with pytest.raises(OSError, match="input/output"):
        write_volume(path, VOLUME + 1)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("keep", [0, 10, 0.5])
def test_a_truncated_volume_is_one_sentence(path, keep):
    write_volume(path, VOLUME)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(DataError) as caught:
        read_volume(path)
    assert str(caught.value) == (f"{path}: not a readable volume of the cache. Delete its folder and prepare it again.")
