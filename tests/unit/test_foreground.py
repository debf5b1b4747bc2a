"""The box around the foreground."""

import numpy as np
import pytest

from voxelbench.data.foreground import foreground_box
from voxelbench.errors import DataError


def test_box_is_the_smallest_that_holds_all_foreground():
    volume = np.zeros((9, 7, 5))
    volume[2, 3, 1] = volume[6, 3, 4] = 0.5
    assert foreground_box("a", volume, 0.3) == (slice(2, 7), slice(3, 4), slice(1, 5))


def test_box_of_everything_is_everything():
    assert foreground_box("a", np.ones((3, 4, 5)), 0.0) == (slice(0, 3), slice(0, 4), slice(0, 5))


def test_a_volume_without_foreground_is_refused_by_name():
    with pytest.raises(DataError, match=r"case a has no voxel above 0.3 after scaling"):
        foreground_box("a", np.full((3, 4, 5), 0.3), 0.3)
