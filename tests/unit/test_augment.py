"""Flips and turns move an image and its labels alike and keep the shape; a jitter changes the intensity alone."""

import numpy as np
import pytest

from voxelbench.data.augment import flip, jitter, turn
from voxelbench.settings import Jitter

VOLUME = np.arange(2 * 4 * 4 * 3, dtype=np.float32).reshape(2, 4, 4, 3)
NEVER = Jitter()


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_flips_move_all_volumes_alike(probability):
    volume = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    first, second = flip([volume, volume[:1] * 2], probability, np.random.RandomState(0))
    expected = volume[:, ::-1, ::-1, ::-1] if probability else volume
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, expected[:1] * 2)


def test_a_square_is_turned_by_one_to_three_quarters_with_all_that_belongs_to_it():
    seen = set()
    for seed in range(20):
        first, second = turn([VOLUME, VOLUME[:1] * 2], 1.0, np.random.RandomState(seed))
        (quarters,) = [k for k in (1, 2, 3) if np.array_equal(first, np.rot90(VOLUME, k, (1, 2)))]
        np.testing.assert_array_equal(second, first[:1] * 2)
        seen.add(quarters)
    assert seen == {1, 2, 3}


def test_a_crop_that_is_no_square_keeps_its_shape():
    for seed in range(5):
        (turned,) = turn([VOLUME[:, :2]], 1.0, np.random.RandomState(seed))
        np.testing.assert_array_equal(turned, VOLUME[:, 1::-1, ::-1])


def test_nothing_turns_at_probability_0():
    (same,) = turn([VOLUME], 0.0, np.random.RandomState(0))
    np.testing.assert_array_equal(same, VOLUME)


@pytest.mark.parametrize(
    ("scale", "shift"), [(Jitter(up_to=0.5, probability=1.0), NEVER), (NEVER, Jitter(up_to=3.0, probability=1.0))]
)
def test_intensity_is_scaled_or_shifted_within_its_bounds(scale, shift):
    factors, offsets = [], []
    for seed in range(50):
        image = jitter(VOLUME, scale, shift, np.random.RandomState(seed))
        assert image.dtype == np.float32
        factor, offset = np.polyfit(VOLUME.ravel(), image.ravel(), 1)
        factors.append(factor)
        offsets.append(offset)
    assert np.abs(np.array(factors) - 1).max() <= scale.up_to + 1e-5 and np.abs(offsets).max() <= shift.up_to + 1e-3
    assert np.std(factors) > 0.4 * scale.up_to / 2 and np.std(offsets) > 0.4 * shift.up_to / 2


def test_a_jitter_happens_as_often_as_it_is_told():
    half = Jitter(up_to=1.0, probability=0.5)
    changed = [(jitter(VOLUME, NEVER, half, np.random.RandomState(seed)) != VOLUME).any() for seed in range(200)]
    assert 0.4 < np.mean(changed) < 0.6
