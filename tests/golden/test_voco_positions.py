"""VoCo's overlaps, draws, cuts and learning rates against the released code."""

import numpy as np

from voxelbench.config import read_method
from voxelbench.data.crops import cut
from voxelbench.methods.voco.position import base_positions, draw_position, overlaps
from voxelbench.nn.resize import resize
from voxelbench.settings import Schedule
from voxelbench.training.schedule import learning_rate

SETTINGS = read_method("voco").settings
CROP, GRID, CROP_SIZE = (tuple(SETTINGS[key]) for key in ("crop", "crop_grid", "crop_size"))
CELL = (CROP[0] // GRID[0], CROP[1] // GRID[1])


def test_overlaps(golden, certify):
    arrays = golden("voco_labels")
    ours = [overlaps(tuple(centre - np.array(CELL) // 2), GRID, CELL) for centre in arrays["centers"]]
    certify("voco_labels", "overlap with each base crop", ours, arrays["labels"], atol=1e-12)


def test_draws(golden, certify):
    arrays = golden("voco_labels")
    rng = np.random.RandomState(int(arrays["seed"]))
    drawn = [draw_position(GRID, CELL, rng) for _ in arrays["seeded_centers"]]
    centres = np.array(drawn) + np.array(CELL) // 2
    certify("voco_labels", "centres drawn from one seed", centres, arrays["seeded_centers"], atol=0)
    labels = [overlaps(position, GRID, CELL) for position in drawn]
    certify("voco_labels", "their overlaps", labels, arrays["seeded_labels"], atol=1e-12)


def probed(axis, position, probe):
    """Cut a volume of coordinates along `axis` and resize it, (4, 4, 4) at the probed voxels."""
    ramp = np.arange(CROP[axis], dtype=np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
    crop = cut(np.broadcast_to(ramp, (1, *CROP)), (*position, 0), (*CELL, CROP[2]))
    return resize(crop, CROP_SIZE)[0][np.ix_(probe, probe, probe)]


def test_base_crops(golden, certify):
    arrays = golden("voco_crops")
    positions = base_positions(GRID, CELL)
    for axis, name in enumerate("xyz"):
        ours = [probed(axis, positions[number], arrays["probe_idx"]) for number in arrays["base_ids"]]
        certify("voco_crops", "places that a base crop samples", ours, arrays[f"base_{name}"], atol=1e-3)


def test_random_crops(golden, certify):
    arrays = golden("voco_crops")
    rng = np.random.RandomState(int(arrays["rand_seed"]))
    drawn = [draw_position(GRID, CELL, rng) for _ in arrays["rand_starts"]]
    certify("voco_crops", "where random crops start", drawn, arrays["rand_starts"][:, :2], atol=0)
    ours = [[probed(axis, position, arrays["probe_idx"]) for axis in range(3)] for position in drawn]
    certify("voco_crops", "places that a random crop samples", ours, arrays["rand_xyz"], atol=1e-3)
    labels = [overlaps(position, GRID, CELL) for position in drawn]
    certify("voco_crops", "overlaps of the same draw", labels, arrays["rand_labels"], atol=1e-12)


def test_learning_rate(golden, certify):
    arrays = golden("voco_lr")
    peak, schedule = SETTINGS["optimiser"]["lr"], Schedule(**SETTINGS["schedule"])
    rates = [learning_rate(int(step), SETTINGS["steps"], peak, schedule) for step in arrays["pre_steps"]]
    certify("voco_lr", "learning rate of pretraining", rates, arrays["pre_lr"], atol=1e-10 * peak)
