"""Crops have the asked size whatever the volume; outside lies the edge of an image and the background of a label."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelbench.data import crops

SHAPE = (7, 10, 5)
triples = st.tuples(*[st.integers(1, 12)] * 3)


@given(shape=triples, size=triples, seed=st.integers(0, 99))
def test_a_random_box_lies_inside_wherever_the_volume_is_long_enough(shape, size, seed):
    start = crops.random_start(shape, size, np.random.RandomState(seed))
    for a, n, length in zip(start, shape, size, strict=True):
        assert 0 <= a <= n - length if n >= length else -a == (length - n) // 2


def test_every_start_is_drawn():
    rng = np.random.RandomState(0)
    drawn = {crops.random_start((7, 10, 5), (5, 10, 4), rng) for _ in range(300)}
    assert drawn == {(x, 0, z) for x in range(3) for z in range(2)}


@given(shape=triples, size=triples, data=st.data())
def test_a_box_around_a_voxel_holds_it_and_is_centred_unless_the_border_is_near(shape, size, data):
    voxel = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    start = crops.start_around(voxel, shape, size)
    for centre, a, n, length in zip(voxel, start, shape, size, strict=True):
        assert a <= centre < a + length
        if n >= length:
            assert 0 <= a <= n - length
            if 0 < a < n - length:
                assert centre - a == length // 2


def test_foreground_boxes_hold_every_class_equally_often_whatever_its_size():
    label = np.zeros((12, 9, 20), np.uint8)
    label[1:9, 1:8, 2:10] = 2
    label[10, 4, 17] = 5
    rng = np.random.RandomState(0)
    starts = [crops.foreground_start(label, label.shape, (3, 3, 3), rng) for _ in range(200)]
    held = [np.unique(label[tuple(slice(a, a + 3) for a in start)]).max() for start in starts]
    assert set(held) == {2, 5} and 70 < held.count(5) < 130


def test_an_empty_label_is_cut_anywhere():
    label = np.zeros(SHAPE, np.uint8)
    starts = {crops.foreground_start(label, SHAPE, (5, 5, 5), np.random.RandomState(i)) for i in range(40)}
    assert len(starts) > 10


@pytest.mark.parametrize("start", [(-2, 3, -1), (0, 0, 0), (4, 8, 3)])
def test_a_crop_read_from_disk_equals_one_cut_from_memory(make_case, start):
    volume = np.random.RandomState(0).normal(size=(2, *SHAPE)).astype(np.float32)
    label = np.random.RandomState(1).randint(0, 3, SHAPE).astype(np.uint8)
    case = make_case(volume, label, channels=("a", "b"))
    size = (6, 4, 7)
    wanted = [np.clip(np.arange(a, a + n), 0, length - 1) for a, n, length in zip(start, size, SHAPE, strict=True)]
    expected = volume[:, *np.ix_(*wanted)]
    np.testing.assert_array_equal(crops.read_crop(case, start, size), expected)
    np.testing.assert_array_equal(crops.cut(volume, start, size), expected)
    np.testing.assert_array_equal(crops.read_crop(case, start, size, ["b"]), expected[1:])

    padded = np.pad(label, 8)
    box = tuple(slice(a + 8, a + 8 + n) for a, n in zip(start, size, strict=True))
    np.testing.assert_array_equal(crops.read_label_crop(case, start, size), padded[box])


def test_the_label_of_another_case_may_be_smaller_than_the_volume(make_case):
    donor = make_case(np.zeros((1, 3, 4, 2), np.float32), np.ones((3, 4, 2), np.uint8), name="donor")
    case = make_case(np.zeros((1, *SHAPE), np.float32), name="case")
    shuffled = replace(case, label_image=donor.label_image)
    crop = crops.read_label_crop(shuffled, (1, 1, 0), (4, 5, 5))
    assert crop.shape == (4, 5, 5) and crop.sum() == 2 * 3 * 2
    assert crops.read_label_crop(shuffled, (4, 5, 0), (3, 5, 5)).sum() == 0
