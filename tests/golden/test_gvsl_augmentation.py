"""GVSL's damage against the released code, draw by draw."""

import re

import numpy as np
import pytest

from voxelbench.config import read_method
from voxelbench.methods.gvsl.appearance import Damage, bezier, curve_intensity, damage, inpaint, shuffle_blocks

ARRAY = "gvsl_appearance"
LIMITS = Damage(**read_method("gvsl").settings["damage"])


@pytest.fixture
def arrays(golden):
    return golden(ARRAY)


def seeded(arrays, what, n_gates=0):
    """Return the array of a kind of damage and the random state of its seed, after the draws of its gates."""
    (name,) = (key for key in arrays if key.startswith(f"{what}_seed"))
    rng = np.random.RandomState(int(re.search(r"\d+$", name)[0]))
    rng.rand(n_gates)
    return arrays[name], rng


def test_shuffled_blocks(arrays, certify):
    expected, rng = seeded(arrays, "shuffle", n_gates=1)
    certify(ARRAY, "shuffled blocks", shuffle_blocks(arrays["vol"], LIMITS.shuffle_blocks, rng), expected, atol=0)


def test_curve(arrays, certify):
    sampled = bezier(arrays["bez_points"], len(arrays["bez_x"]))
    for axis, key in enumerate(("bez_x", "bez_y")):
        certify(ARRAY, "Bézier curve", sampled[:, axis], arrays[key], atol=1e-12)
    curved = np.interp(arrays["bez_q"], *np.sort(sampled, axis=0).T)
    certify(ARRAY, "sorted curve as a map", curved, arrays["bez_map"], atol=1e-12)


def test_curved_intensities(arrays, certify):
    expected, rng = seeded(arrays, "nonlinear", n_gates=1)
    certify(ARRAY, "curved intensities", curve_intensity(arrays["vol"], rng), expected, atol=1e-6)


def test_inpainted_boxes(arrays, certify):
    expected, rng = seeded(arrays, "inpaint")
    painted = inpaint(arrays["vol"], LIMITS.inpaint_boxes, LIMITS.inpaint_probability, rng)
    certify(ARRAY, "in-painted boxes", painted, expected, atol=0)


def test_all_damage(arrays, certify):
    expected, rng = seeded(arrays, "all")
    damaged = damage(arrays["vol"], LIMITS, rng)
    assert damaged.dtype == np.float32
    certify(ARRAY, "all damage", damaged, expected, atol=1e-6)
