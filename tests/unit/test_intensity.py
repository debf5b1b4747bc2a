import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from voxelbench.data.intensity import scale
from voxelbench.data.loading import read_scaled, read_scaled_crop
from voxelbench.settings import IntensityRule

WINDOW, ZSCORE, NONZERO = (
    IntensityRule(kind="window", low=-175, high=250),
    IntensityRule(kind="zscore"),
    IntensityRule(kind="zscore_nonzero"),
)


@given(st.floats(-2000, 3000))
def test_a_window_is_linear_inside_and_clipped_outside(value):
    (scaled,) = scale(np.full((1, 2, 1, 1), value), [WINDOW])
    assert scaled[0, 0, 0] == pytest.approx(min(max((value + 175) / 425, 0), 1), abs=1e-6)


def test_a_zscore_is_taken_over_the_whole_volume_or_over_what_is_not_zero():
    volume = np.random.RandomState(0).normal(50, 9, (1, 5, 7, 3))
    volume[0, :2] = 0
    (scaled,) = scale(volume, [ZSCORE])
    assert scaled.mean() == pytest.approx(0, abs=1e-6) and scaled.std() == pytest.approx(1, rel=1e-6)
    (scaled,) = scale(volume, [NONZERO])
    assert np.all(scaled[:2] == 0)
    assert scaled[2:].mean() == pytest.approx(0, abs=1e-6) and scaled[2:].std() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("value", [0, 7])
@pytest.mark.parametrize("rule", [ZSCORE, NONZERO])
def test_a_constant_volume_becomes_zero(rule, value):
    assert not scale(np.full((1, 3, 4, 2), value, np.float32), [rule]).any()


def test_one_rule_serves_all_channels_and_several_one_each():
    volume = np.random.RandomState(0).normal(100, 50, (2, 3, 4, 5))
    np.testing.assert_array_equal(scale(volume, [WINDOW])[1], scale(volume[1:], [WINDOW])[0])
    both = scale(volume, [WINDOW, ZSCORE])
    np.testing.assert_array_equal(both[1], scale(volume[1:], [ZSCORE])[0])
    assert both.dtype == np.float32
    with pytest.raises(ValueError, match="zip"):
        scale(np.zeros((3, 1, 1, 1)), [WINDOW, ZSCORE])


def test_an_empty_window_is_refused():
    with pytest.raises(ValidationError, match=r"low 250\.0 must lie below high -175\.0"):
        IntensityRule(kind="window", low=250, high=-175)


@pytest.mark.parametrize("rule", [WINDOW, ZSCORE, NONZERO])
def test_a_scaled_crop_is_the_crop_of_the_scaled_volume(make_case, rule):
    volume = np.random.RandomState(0).normal(50, 200, (2, 9, 11, 6)).astype(np.float32)
    case = make_case(volume, channels=("a", "b"))
    whole = read_scaled(case, ["b"], [rule])
    crop = read_scaled_crop(case, ["b"], [rule], (2, 5, 1), (4, 3, 5))
    np.testing.assert_allclose(crop, whole[:, 2:6, 5:8, 1:6], rtol=1e-6)
