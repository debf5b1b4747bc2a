"""Volumes come out in RAS, and whatever the grid, a landmark stays where it is in the world."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from voxelbench.data.grid import grid_name, onto, parse_grid, to_grid
from voxelbench.errors import ConfigError

SHAPE, SPACING = (14, 20, 9), (1.5, 0.8, 3.0)


def affine_of(order, signs):
    """Voxel axis i runs along world axis order[i], in direction signs[i]."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, sign, spacing) in enumerate(zip(order, signs, SPACING, strict=True)):
        affine[world, axis] = sign * spacing
    affine[:3, 3] = (-30, 11, 4)
    return affine


orientations = [
    affine_of(order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize("affine", orientations)
def test_native_is_ras_and_moves_no_voxel_in_the_world(affine):
    volume = np.random.RandomState(0).normal(size=SHAPE).astype(np.float32)
    turned, canonical = to_grid(volume, affine, "native", is_label=False)
    assert np.all(np.diag(canonical)[:3] > 0)
    assert np.allclose(canonical[:3, :3], np.diag(np.diag(canonical)[:3]))
    for voxel in ((0, 0, 0), (13, 2, 8), (5, 19, 1)):
        world = affine @ [*voxel, 1]
        there = np.linalg.solve(canonical, world)[:3].round().astype(int)
        assert turned[tuple(there)] == volume[voxel]


@pytest.mark.parametrize("affine", orientations[::7])
@pytest.mark.parametrize("grid", [1.0, 2.5])
def test_resampling_keeps_a_landmark_where_it_is(affine, grid):
    """A linear field in world coordinates is reproduced exactly by linear interpolation inside the field of view."""
    indices = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    world = indices @ affine[:3, :3].T + affine[:3, 3]
    field = (world @ [1.0, 10.0, 100.0]).astype(np.float64)
    resampled, target = to_grid(field, affine, grid, is_label=False)
    np.testing.assert_allclose(np.linalg.norm(target[:3, :3], axis=0), grid)
    inside = np.stack(np.meshgrid(*map(np.arange, resampled.shape), indexing="ij"), -1)
    positions = inside @ target[:3, :3].T + target[:3, 3]
    native = (positions - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    is_covered = np.all((native >= 0) & (native <= np.array(SHAPE) - 1), axis=-1)
    assert is_covered.mean() > 0.5
    np.testing.assert_allclose(resampled[is_covered], (positions @ [1.0, 10.0, 100.0])[is_covered], atol=1e-6)


def rotated(affine, degrees):
    """The same grid, turned about an axis that is none of its own."""
    turned = affine.copy()
    turned[:3] = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.6, 0.0, 0.8])).as_matrix() @ affine[:3]
    return turned


@pytest.mark.parametrize("degrees", [0.0, 23.0])
@pytest.mark.parametrize("shift_mm", [0.0, 0.7])
@pytest.mark.parametrize("affine", orientations[::5])
def test_another_grid_sees_what_linear_interpolation_at_its_voxels_gives(affine, shift_mm, degrees):
    """Permuted and flipped axes, shifts below a voxel, oblique: each voxel is looked up on its own, the edge beyond."""
    volume = np.random.RandomState(0).normal(size=SHAPE)
    target, shape = rotated(affine_of((2, 0, 1), (1, -1, 1)), degrees), (11, 7, 24)
    target[:3, 3] = affine[:3, :3] @ (np.array(SHAPE) - 1) / 2 + affine[:3, 3] + shift_mm  # from its centre outwards
    indices = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    there = np.linalg.inv(affine) @ target
    places = np.einsum("ij,jxyz->ixyz", there[:3, :3], indices) + there[:3, 3, None, None, None]
    expected = map_coordinates(volume, places, order=1, mode="nearest")
    is_inside = np.all((places >= 0) & (places <= np.array(SHAPE)[:, None, None, None] - 1), 0)
    assert 0.05 < is_inside.mean() < 0.95
    np.testing.assert_allclose(onto(volume, affine, shape, target), expected, atol=1e-9)


@pytest.mark.parametrize("affine", orientations[::9])
@pytest.mark.parametrize("grid", [0.7, 1.3])
def test_to_a_grid_and_back_is_where_it_was(affine, grid):
    """A linear field survives two linear interpolations, on an oblique affine too; a flipped axis would not."""
    native = rotated(affine, 17.0)
    indices = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    field = (indices @ native[:3, :3].T + native[:3, 3]) @ [1.0, 10.0, 100.0]
    back = onto(*to_grid(field, native, grid, is_label=False), SHAPE, native)
    inside = (slice(3, -3),) * 3  # three short voxels hold two of the coarser grid, whatever the angle
    np.testing.assert_allclose(back[inside], field[inside], atol=1e-6)


def test_labels_are_never_interpolated():
    label = np.random.RandomState(0).choice([0, 3, 7], SHAPE).astype(np.uint8)
    resampled, _ = to_grid(label, orientations[5], 1.1, is_label=True)
    assert set(np.unique(resampled)) == {0, 3, 7} and resampled.dtype == np.uint8


def test_beyond_the_field_of_view_lies_the_edge_not_zero():
    volume = np.full(SHAPE, -1000, np.int16)
    resampled, _ = to_grid(volume, orientations[0], 2.0, is_label=False)
    assert np.all(resampled == -1000)


@given(st.floats(0.1, 10).map(lambda spacing: float(f"{spacing:g}")))
def test_a_grid_survives_its_name(spacing):
    assert parse_grid(grid_name(spacing)) == spacing


def test_grid_names():
    assert [parse_grid(name) for name in ("native", "6", "6mm", "1.5mm")] == ["native", 6.0, 6.0, 1.5]
    assert [grid_name(grid) for grid in ("native", 6.0, 1.5)] == ["native", "6mm", "1.5mm"]


@pytest.mark.parametrize("name", ["", "0", "-1mm", "nan", "mm", "fine"])
def test_other_grids_are_refused(name):
    with pytest.raises(ConfigError) as caught:
        parse_grid(name)
    assert str(caught.value) == f"grid '{name}': expected 'native' or a spacing in mm above 0, such as 1.5."
