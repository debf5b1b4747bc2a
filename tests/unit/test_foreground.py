"""The box around the foreground."""

import numpy as np
import pytest

from voxelbench.data.foreground import bounding_box


def test_box_is_the_smallest_that_holds_all_foreground():
    foreground = np.zeros((9, 7, 5), bool)
    foreground[2, 3, 1] = foreground[6, 3, 4] = True
    assert bounding_box(foreground) == (slice(2, 7), slice(3, 4), slice(1, 5))


def test_box_of_everything_is_everything():
    assert bounding_box(np.ones((3, 4, 5), bool)) == (slice(0, 3), slice(0, 4), slice(0, 5))


def test_nothing_has_no_box():
    with pytest.raises(ValueError, match="nothing is foreground"):
        bounding_box(np.zeros((3, 4, 5), bool))
