"""Resizing: corners stay, positions between them are spread evenly along each axis."""

import numpy as np
import pytest

from voxelbench.nn.resize import resize


@pytest.mark.parametrize("shape", [(9, 4, 6), (3, 2, 12), (5, 7, 4)])
def test_ramps_are_sampled_evenly_between_their_corners(shape):
    size = (5, 7, 4)
    ramps = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in size), indexing="ij"))
    expected = np.meshgrid(*(np.linspace(0, old - 1, new) for old, new in zip(size, shape, strict=True)), indexing="ij")
    np.testing.assert_allclose(resize(ramps, shape), expected, rtol=0, atol=1e-5)


def test_a_single_slice_is_repeated():
    plane = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    np.testing.assert_array_equal(resize(plane, (2, 3, 4)), np.repeat(plane, 4, axis=3))
