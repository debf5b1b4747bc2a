"""A sliding window answers as the network would for the whole volume, wherever its windows see what the network reads.

Flips and quarter turns go through it, and what a task augments stays together voxel by voxel.
"""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from voxelbench.cards import TaskKind
from voxelbench.evaluate.finetune import TASKS
from voxelbench.evaluate.task import slide
from voxelbench.recipes import RECIPES

CPU = torch.device("cpu")
SHAPE = (37, 21, 18)
CROPS = {"anisotropic": (16, 12, 8), "longer than one axis": (16, 32, 8), "longer than all": (48, 32, 24)}
KINDS = {
    "segmentation": {"labels": {0: "background", 1: "a", 2: "b", 4: "c"}},
    "reconstruction": {"channels": ("low", "full"), "units": ("", ""), "inputs": ("low",), "target": ("full",)},
    "translation": {"channels": ("t1", "t2"), "units": ("", ""), "inputs": ("t1", "t2"), "target": ("t1", "t2")},
}
OWN = {
    "segmentation": {"foreground_share": 0.5, "surface_tolerance_mm": 1.0},
    "reconstruction": {"body_threshold": 0.5},
    "translation": {},
}


@pytest.fixture
def make_task(make_card):
    """Return a function that makes a task that flips and turns as often as not."""

    def make(kind="segmentation", **changes):
        facts = {
            **{"steps": 1, "batch": 1, "checkpoint_steps": 1, "validate_steps": 1, "loss_weights": {}},
            "optimiser": {"lr": 1e-3, "weight_decay": 0},
            "grid": "native",
            "crop": CROPS["anisotropic"],
            "intensity": [{"kind": "window", "low": 0, "high": 4}],
            **{"flip_probability": 0.5, "turn_probability": 0.5, "overlap": 0.5, "blend": "constant"},
        }
        card = make_card(kind, **KINDS[kind])
        recipe = RECIPES[TaskKind(kind)].model_validate(facts | OWN[kind] | changes)
        return TASKS[TaskKind(kind)](card, card.tasks[0], recipe)

    return make


class Pointwise(nn.Module):
    """Reads a voxel and no other."""

    def forward(self, volume):
        return torch.cat([torch.sin(5 * volume), volume.square()], 1)


class Neighbours(nn.Module):
    """Reads a voxel and those next to it; beyond its input, the edge is repeated. Mirror-symmetric if asked."""

    def __init__(self, is_symmetric):
        super().__init__()
        kernel = torch.from_numpy(np.random.RandomState(0).normal(size=(2, 1, 3, 3, 3)).astype(np.float32))
        if is_symmetric:
            symmetries = [
                (quarters, axes)
                for quarters in range(4)
                for n in range(4)
                for axes in itertools.combinations((2, 3, 4), n)
            ]
            kernel = sum(kernel.rot90(quarters, (2, 3)).flip(axes) for quarters, axes in symmetries) / len(symmetries)
        self.layer = nn.Conv3d(1, 2, 3, padding=1, padding_mode="replicate", bias=False)
        self.layer.weight.data = kernel

    def forward(self, volume):
        return self.layer(volume)


def noise(shape=SHAPE):
    return np.random.RandomState(1).uniform(0, 1, (1, *shape)).astype(np.float32)


def whole(network, volume):
    with torch.inference_mode():
        return network(torch.from_numpy(volume)[None])[0].numpy()


def sees_neighbours(shape, crop, overlap):
    """Where every window that covers a voxel holds its neighbours too, or ends with the volume: bool (X, Y, Z)."""
    lines = []
    for n, length in zip(shape, crop, strict=True):
        line = np.ones(n, bool)
        starts = {min(start, n - length) for start in range(0, n, int(length * (1 - overlap)))} if n > length else ()
        for start in starts:
            line[start] &= start == 0
            line[start + length - 1] &= start + length == n
        lines.append(line)
    x, y, z = lines
    return x[:, None, None] & y[:, None] & z


windows = [
    pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS),
    pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75]),
    pytest.mark.parametrize("blend", ["constant", "gaussian"]),
]


def by_windows(test):
    for mark in windows:
        test = mark(test)
    return test


@by_windows
def test_of_single_voxels_windows_answer_as_the_whole_does(make_task, crop, overlap, blend):
    task, volume = make_task(crop=crop, overlap=overlap, blend=blend), noise()
    answer = slide(Pointwise(), volume, task.recipe, CPU)
    assert answer.shape == (2, *SHAPE) and answer.dtype == np.float32
    np.testing.assert_allclose(answer, whole(Pointwise(), volume), atol=2e-6)


@by_windows
def test_of_neighbours_they_do_inside_a_window_and_at_the_volumes_border(make_task, crop, overlap, blend):
    task, volume, network = make_task(crop=crop, overlap=overlap, blend=blend), noise(), Neighbours(False)
    error = np.abs(slide(network, volume, task.recipe, CPU) - whole(network, volume)).max(0)
    sees = sees_neighbours(SHAPE, crop, overlap)
    assert error[sees].max() < 1e-5
    assert sees.all() or np.median(error[~sees]) > 1e-3
    assert sees[0, 0, 0] and sees[-1, -1, -1] and sees.all() == (crop == CROPS["longer than all"])


def flips_and_turns():
    for axes in itertools.product((0, 1), repeat=3):
        for quarters in range(4):
            if any(axes) or quarters:
                yield tuple(axis for axis, is_flipped in zip((-3, -2, -1), axes, strict=True) if is_flipped), quarters


@pytest.mark.parametrize("blend", ["constant", "gaussian"])
@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
@pytest.mark.parametrize("network", [Pointwise(), Neighbours(True)], ids=["voxels", "neighbours"])
def test_flips_and_quarter_turns_commute_with_prediction(make_task, network, crop, blend):
    recipe, volume = make_task(crop=crop, blend=blend).recipe, noise()
    answer, sees = slide(network, volume, recipe, CPU), sees_neighbours(SHAPE, crop, 0.5)
    for axes, quarters in flips_and_turns():

        def move(array, axes=axes, quarters=quarters):
            return np.ascontiguousarray(np.rot90(np.flip(array, axes), quarters, (-3, -2)))

        moved = slide(network, move(volume), recipe, CPU)
        both_see = move(sees) & sees_neighbours(moved.shape[1:], crop, 0.5)
        compared = np.ones_like(both_see) if isinstance(network, Pointwise) else both_see
        assert compared.mean() > 0.1
        np.testing.assert_allclose(moved[:, compared], move(answer)[:, compared], atol=1e-5)


@pytest.mark.parametrize("shape", [(20, 20, 14), SHAPE])
def test_prediction_commutes_with_what_a_task_does_to_image_and_masks(make_task, shape):
    task, volume = make_task(crop=(48, 48, 24)), noise(shape)
    answer, drawn = slide(Neighbours(True), volume, task.recipe, CPU), set()
    for seed in range(80):
        image, (mask, answered) = task.augment(volume, [volume > 0.5, answer], np.random.RandomState(seed))
        np.testing.assert_array_equal(mask, image > 0.5)
        np.testing.assert_allclose(slide(Neighbours(True), image, task.recipe, CPU), answered, atol=1e-5)
        drawn.add(image.tobytes())
    assert len(drawn) == (16 if shape[0] == shape[1] else 8)


@pytest.mark.parametrize("kind", KINDS)
def test_views_keep_image_and_target_together(make_task, make_case, kind):
    """Every channel, and the label, is a function of one map of labels: so it has to be after any draw."""
    label = np.random.RandomState(0).choice([0, 1, 2, 4], SHAPE).astype(np.uint8)
    task, channels = make_task(kind), KINDS[kind].get("channels", ("ct",))
    volume = np.stack([label.astype(np.float32), 4.0 - label][: len(channels)])
    case = make_case(volume, label if kind == "segmentation" else None, channels=channels)
    for seed in range(20):
        views = task.views(case, np.random.RandomState(seed))
        drawn = np.rint(4 * views["image"][0]).astype(np.uint8)
        if kind == "segmentation":
            np.testing.assert_array_equal(views["masks"], task.masks(drawn))
        elif kind == "reconstruction":
            np.testing.assert_array_equal(np.rint(4 * views["target"][0]), 4 - drawn)
        else:
            np.testing.assert_array_equal(np.rint(4 * views["target"]).sum(0), np.full(drawn.shape, 4))
            np.testing.assert_array_equal(views["mask"][0], drawn > 0)
