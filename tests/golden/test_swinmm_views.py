"""SwinMM's turns, permutations, masks and learning rates against the released code, draws included."""

import re

import numpy as np
import pytest
import torch

from voxelbench.config import read_method
from voxelbench.methods.swinmm.geometry import N_TURNS, SWAPS, swap_axes, turn
from voxelbench.methods.swinmm.masking import draw_hidden_cells
from voxelbench.settings import Schedule
from voxelbench.training.schedule import learning_rate

SETTINGS = read_method("swinmm").settings
VIEWS = "swinmm_views"


@pytest.fixture
def arrays(golden):
    return {name: torch.from_numpy(array) for name, array in golden(VIEWS).items()}


def test_turns(arrays, certify):
    for number in range(N_TURNS):
        turned = turn(arrays["x"], torch.full((2,), number))
        certify(VIEWS, "a quarter turn", turned, arrays[f"rot{number}"], atol=0)


def test_permutations(arrays, certify):
    for number in SWAPS:
        certify(VIEWS, "a permutation", swap_axes(arrays["x"], number), arrays[f"perm{number}"], atol=0)


def test_a_turn_comes_before_a_permutation(arrays, certify):
    seen = swap_axes(turn(arrays["cube"], torch.tensor([3, 3])), 2)
    certify(VIEWS, "turn, then permutation", seen, arrays["compose_rot3_perm2"], atol=0)


def test_each_crop_has_a_turn_of_its_own(arrays, certify):
    (seed,) = (re.search(r"rot_rand_seed(\d+)$", name) for name in arrays if name.startswith("rot_rand_seed"))
    turns = np.random.RandomState(int(seed[1])).randint(N_TURNS, size=len(arrays["cube"]))
    certify(VIEWS, "drawn turns", turns, arrays[f"rot_rand_label_seed{seed[1]}"], atol=0)
    turned = turn(arrays["cube"], torch.from_numpy(turns))
    certify(VIEWS, "a turn for each crop", turned, arrays[f"rot_rand_seed{seed[1]}"], atol=0)


def test_drawn_turns(arrays, certify):
    (name,) = (name for name in arrays if name.startswith("rot_rand_labels_seed"))
    seed, number = map(int, re.findall(r"\d+", name))
    turns = np.random.RandomState(seed).randint(N_TURNS, size=number)
    certify(VIEWS, "drawn turns", turns, arrays[name], atol=0)


@pytest.mark.parametrize("case", ["case0", "case1", "case2"])
def test_drawn_masks(golden, certify, case):
    arrays = golden("swinmm_mask")
    expected, kept_fraction = arrays[f"{case}_mask_cells"], float(arrays[f"{case}_ratio"])
    rng = np.random.RandomState(int(arrays[f"{case}_seed"]))
    hidden = draw_hidden_cells(expected.shape, 1 - kept_fraction, rng)
    certify("swinmm_mask", "drawn cells", hidden, expected, atol=0)
    certify("swinmm_mask", "hidden share", hidden.mean(), arrays[f"{case}_masked_fraction"], atol=0)


def test_learning_rate(golden, certify):
    arrays = golden("swinmm_lr")
    peak, schedule = SETTINGS["optimiser"]["lr"], Schedule(**SETTINGS["schedule"])
    rates = [learning_rate(int(step), SETTINGS["steps"], peak, schedule) for step in arrays["steps"]]
    certify("swinmm_lr", "learning rate", rates, arrays["lr"], atol=1e-12)
