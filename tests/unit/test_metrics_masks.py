"""Dice, false volumes, HD95 and NSD against second implementations, on 200 pairs of random and adversarial masks."""

from itertools import product

import numpy as np
import pytest
import surface_distance
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage import measure

from voxelbench.errors import DataError
from voxelbench.evaluate.metrics.masks import Presence, mask_scores, presence
from voxelbench.evaluate.metrics.overlap import dice, false_negative_ml, false_positive_ml
from voxelbench.evaluate.metrics.surface import hd95, nsd, volume_diagonal_mm

# surface-distance 0.1 calls scipy.ndimage by names that SciPy 2 drops.
pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")

SHAPE = (13, 11, 9)
SPACINGS = [(1.0, 1.0, 1.0), (0.8, 1.5, 3.0), (0.78, 0.78, 5.0), (2.0, 0.5, 1.1)]
TOLERANCE_MM = 2.03
"""No sum of squares of these spacings is its square: no distance lies on the edge, where rounding would decide."""


def _mask(*boxes):
    mask = np.zeros(SHAPE, bool)
    for box in boxes:
        mask[box] = True
    return mask


ADVERSARIAL = {
    "empty": _mask(),
    "full": _mask(np.s_[:, :, :]),
    "one voxel": _mask(np.s_[6, 5, 4]),
    "corner": _mask(np.s_[12, 10, 8]),
    "cube": _mask(np.s_[3:8, 3:8, 3:7]),
    "shifted cube": _mask(np.s_[4:9, 3:8, 3:7]),
    "at the border": _mask(np.s_[0:4, 2:9, 0:9]),
    "two parts": _mask(np.s_[1:4, 1:4, 1:4], np.s_[10:12, 8:10, 6:8]),
    "checkerboard": np.indices(SHAPE).sum(0) % 2 == 0,
    "shell": _mask(np.s_[2:11, 2:9, 1:8]) & ~_mask(np.s_[3:10, 3:8, 2:7]),
}


def _random_mask(rng, shape):
    """Draw a smooth or rough set that fills between half and one hundredth of the volume."""
    noise = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0.3, 2.0, 3))
    return noise > np.quantile(noise, rng.uniform(0.5, 0.99))


def _random_pair(seed):
    """Draw two masks: of their own, or the second a shift of the first by up to 2 voxels."""
    rng = np.random.RandomState(seed)
    shape = tuple(rng.randint(1, 16, 3))
    mask = _random_mask(rng, shape)
    other = np.roll(mask, rng.randint(-2, 3), rng.randint(3)) if seed % 2 else _random_mask(rng, shape)
    return f"random {seed}", mask, other


PAIRS = [(f"{a}, {b}", ADVERSARIAL[a], ADVERSARIAL[b]) for a, b in product(ADVERSARIAL, repeat=2)]
PAIRS += [_random_pair(seed) for seed in range(100)]
PAIRS = [(*pair, SPACINGS[index % len(SPACINGS)]) for index, pair in enumerate(PAIRS)]
BOTH = [pair for pair in PAIRS if pair[1].any() and pair[2].any()]


def test_there_are_200_pairs_and_most_have_both_masks():
    assert len(PAIRS) == 200 and len(BOTH) > 175


def _brute_dice(prediction, reference):
    voxels, others = ({tuple(voxel) for voxel in np.argwhere(mask)} for mask in (prediction, reference))
    return 2 * len(voxels & others) / (len(voxels) + len(others)) if voxels or others else np.nan


def test_dice_is_that_of_two_sets_of_voxels():
    for name, prediction, reference, _ in PAIRS:
        assert dice(prediction, reference) == pytest.approx(
            _brute_dice(prediction, reference), abs=1e-6, nan_ok=True
        ), name


def _untouched(mask, other):
    """Count as the definition reads, one component after the other; connected by scikit-image."""
    components = measure.label(mask, connectivity=2)
    parts = [components == number for number in range(1, components.max() + 1)]
    return sum(int(part.sum()) for part in parts if not (part & other).any())


def test_false_volumes_are_those_of_components_that_touch_nothing():
    seen = set()
    for name, prediction, reference, spacing in PAIRS:
        voxel_ml = spacing[0] * spacing[1] * spacing[2] / 1000
        expected = _untouched(prediction, reference) * voxel_ml, _untouched(reference, prediction) * voxel_ml
        found = false_positive_ml(prediction, reference, spacing), false_negative_ml(prediction, reference, spacing)
        assert found == pytest.approx(expected, abs=1e-9), name
        seen.add((found[0] > 0, found[1] > 0))
    assert seen == set(product([False, True], repeat=2))


@pytest.mark.parametrize(
    ("second", "is_one_component"), [((2, 3, 2), True), ((3, 3, 2), True), ((3, 3, 3), False), ((4, 2, 2), False)]
)
def test_components_connect_through_faces_and_edges_but_not_through_corners(second, is_one_component):
    """A prediction of two voxels, one of them in a lesion: the other is a false positive if it is a part of its own."""
    prediction, reference = np.zeros((2, 6, 6, 6), bool)
    prediction[2, 2, 2] = reference[2, 2, 2] = prediction[second] = True
    assert false_positive_ml(prediction, reference, (10, 10, 10)) == pytest.approx(0.0 if is_one_component else 1.0)


def _surface_voxels(mask, spacing):
    """Return the places in mm of the voxels of a mask with a face on the outside."""
    padded = np.pad(mask, 1)
    inner = np.stack([np.roll(padded, step, axis) for axis in range(3) for step in (-1, 1)]).all(0)
    return np.argwhere(padded & ~inner) * spacing


def _brute_hd95(prediction, reference, spacing):
    distances = cdist(*(_surface_voxels(mask, spacing) for mask in (prediction, reference)))
    return max(np.percentile(distances.min(axis), 95) for axis in (0, 1))


@pytest.fixture(scope="module")
def measured():
    """Return, for each pair with two masks, our HD95 and the surfaces as surface-distance finds them."""
    return [(hd95(pred, ref, spacing), _surfaces(pred, ref, spacing)) for _, pred, ref, spacing in BOTH]


def _surfaces(prediction, reference, spacing):
    return surface_distance.compute_surface_distances(reference, prediction, spacing)


def test_hd95_is_that_of_all_pairs_of_surface_voxels(measured):
    for (name, prediction, reference, spacing), (found, _) in zip(BOTH, measured, strict=True):
        assert found == pytest.approx(_brute_hd95(prediction, reference, spacing), rel=1e-5, abs=1e-5), name


def test_nsd_is_that_of_surface_distance(measured):
    values = []
    for (name, prediction, reference, spacing), (_, surfaces) in zip(BOTH, measured, strict=True):
        values.append(surface_distance.compute_surface_dice_at_tolerance(surfaces, TOLERANCE_MM))
        assert nsd(prediction, reference, spacing, TOLERANCE_MM) == pytest.approx(values[-1], abs=1e-6), name
    assert min(values) < 0.1 and max(values) == 1 and len(set(values)) > 100


def test_hd95_is_less_than_a_voxel_from_that_of_surface_distance(measured):
    """It weighs by area and measures between corners. Seen: at most 0.98 of a voxel's diagonal, 0.16 on average."""
    differences = [
        abs(found - surface_distance.compute_robust_hausdorff(surfaces, 95)) / np.linalg.norm(spacing)
        for (*_, spacing), (found, surfaces) in zip(BOTH, measured, strict=True)
    ]
    assert max(differences) < 1.0 and np.mean(differences) < 0.2


def test_hd95_leaves_that_of_surface_distance_where_voxels_and_area_disagree_about_a_distant_part():
    """A distant plate that lies across 5 mm voxels: 8 % of the surface's voxels, but less than 5 % of its area."""
    reference, prediction = np.zeros((2, 30, 8, 48), bool)
    reference[2, 2, 1:46] = prediction[2, 2, 1:46] = prediction[25:27, 2:4, 5] = True
    spacing = (1.0, 1.0, 5.0)
    assert hd95(prediction, reference, spacing) > 23
    assert surface_distance.compute_robust_hausdorff(_surfaces(prediction, reference, spacing), 95) == 0


def test_scores_do_not_depend_on_what_lies_around_the_masks():
    """Background around both changes nothing, though the masks then no longer touch the border of the volume."""
    for name, prediction, reference, spacing in BOTH[::12]:
        wide = [np.pad(mask, ((0, 9), (4, 0), (3, 7))) for mask in (prediction, reference)]
        for metric in (hd95, nsd):
            assert metric(*wide, spacing) == metric(prediction, reference, spacing), name
        assert dice(*wide) == dice(prediction, reference), name


def test_scores_are_symmetric_and_perfect_for_equal_masks():
    for name, prediction, reference, spacing in BOTH[::12]:
        for metric in (hd95, nsd):
            swapped = metric(reference, prediction, spacing)
            assert metric(prediction, reference, spacing) == pytest.approx(swapped, rel=1e-6), name
        assert (dice(reference, reference), hd95(reference, reference, spacing)) == (1.0, 0.0)
        assert nsd(reference, reference, spacing) == pytest.approx(1.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_by_one_voxel_costs_the_spacing_along_its_axis(axis):
    spacing = (0.8, 1.5, 3.0)
    shifted = np.roll(ADVERSARIAL["cube"], 1, axis)
    assert hd95(shifted, ADVERSARIAL["cube"], spacing) == pytest.approx(spacing[axis])
    assert nsd(shifted, ADVERSARIAL["cube"], spacing, 1.01 * spacing[axis]) == pytest.approx(1.0)
    assert nsd(shifted, ADVERSARIAL["cube"], spacing, 0.5 * spacing[axis]) < 1.0


def test_the_penalty_is_longer_than_any_distance_in_the_volume():
    spacing = (0.8, 1.5, 3.0)
    first, last = np.zeros((2, *SHAPE), bool)
    first[0, 0, 0] = last[-1, -1, -1] = True
    assert hd95(first, last, spacing) < volume_diagonal_mm(SHAPE, spacing)
    assert volume_diagonal_mm(SHAPE, spacing) == pytest.approx(np.sqrt(10.4**2 + 16.5**2 + 27.0**2))


def test_the_penalty_is_nnu_nets_on_the_volumes_of_brats():
    assert volume_diagonal_mm((240, 240, 155), (1, 1, 1)) == pytest.approx(373.12866, abs=1e-5)


FLAGS = ("missed", "spurious", "absent")
WORST = {"dice": 0.0, "hd95": volume_diagonal_mm(SHAPE, SPACINGS[1]), "nsd": 0.0}


@pytest.mark.parametrize(
    ("prediction", "reference", "state", "expected"),
    [
        ("empty", "cube", "missed", WORST),
        ("full", "empty", "spurious", WORST),
        ("empty", "empty", "absent", {}),
        ("cube", "cube", "present", {"dice": 1.0, "hd95": 0.0, "nsd": 1.0}),
    ],
)
def test_an_empty_mask_is_a_failure_or_absent_and_always_reported(prediction, reference, state, expected):
    masks = ADVERSARIAL[prediction], ADVERSARIAL[reference]
    assert presence(*masks) == Presence(state)
    scores = mask_scores(*masks, SPACINGS[1])
    assert scores == pytest.approx({name: float(name == state) for name in FLAGS} | expected)


def test_one_metric_alone_has_no_value_for_an_absent_class():
    empty = ADVERSARIAL["empty"]
    assert all(np.isnan([dice(empty, empty), hd95(empty, empty, (1, 1, 1)), nsd(empty, empty, (1, 1, 1))]))
    assert false_positive_ml(empty, empty, (1, 1, 1)) == 0


@pytest.mark.parametrize("metric", [hd95, nsd, false_positive_ml, false_negative_ml])
def test_a_metric_in_mm_refuses_a_volume_without_spacing(metric):
    with pytest.raises(DataError, match="`spacing_mm` is null; take such metrics off the task's card"):
        metric(ADVERSARIAL["cube"], ADVERSARIAL["cube"], None)
    with pytest.raises(DataError, match=r"`spacing_mm` is \(1.0, 0.0, 2.0\), expected three positive numbers"):
        metric(ADVERSARIAL["cube"], ADVERSARIAL["cube"], (1, 0, 2))


@pytest.mark.parametrize("metric", [dice, presence])
@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 4), bool), np.zeros(SHAPE), np.full(SHAPE, np.nan)])
def test_masks_of_another_shape_or_type_are_refused(metric, wrong):
    with pytest.raises(DataError, match=r"expected two of bool \(X, Y, Z\) on one grid"):
        metric(wrong, ADVERSARIAL["cube"])
