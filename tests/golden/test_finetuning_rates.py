"""Learning rates of finetuning: as the released code of S2DC and VoCo has them, and as they were meant.

Lengths and peaks are those of the recipes; what is released beside is what a recipe may name and ours do not.
"""

import numpy as np
import pytest

from voxelbench.config import task_card
from voxelbench.resolve import recipe
from voxelbench.settings import Schedule
from voxelbench.training.schedule import learning_rate

EPOCHS = {"btcv": 3000, "cc_ccii": 100}
WARMUP_EPOCHS = {"btcv": 100, "cc_ccii": 5}
VOCO_PEAK = 3.0e-4


@pytest.fixture
def full():
    """Return a function that gives a dataset's recipe in the full budget, and the steps of an epoch."""

    def read(dataset, kind):
        found = recipe(dataset, task_card(dataset, kind), "full")
        epoch, left = divmod(found.steps, EPOCHS[dataset])
        assert not left
        return found, epoch

    return read


def rates(steps, total, peak, schedule):
    return [learning_rate(int(step), total, peak, schedule) for step in steps]


def test_s2dc_steps_once_an_epoch_on_btcv(full, golden, certify):
    arrays, (btcv, epoch) = golden("s2dc_lr"), full("btcv", "segmentation")
    released = Schedule(warmup_steps=btcv.schedule.warmup_steps, warmup="closed", every_steps=epoch)
    peak = btcv.optimiser.lr
    for place in (0, epoch - 1):
        ours = rates(arrays["btcv_epoch"] * epoch + place, btcv.steps, peak, released)
        certify("s2dc_lr", "learning rate on BTCV, by epoch", ours, arrays["btcv_lr"], atol=1e-10 * peak)


def test_voco_oscillates_on_btcv(full, golden, certify):
    """Epochs are given where steps are counted."""
    arrays, (btcv, _) = golden("voco_lr"), full("btcv", "segmentation")
    released = Schedule(warmup_steps=WARMUP_EPOCHS["btcv"], warmup="closed", trough_step=EPOCHS["btcv"])
    ours = rates(arrays["btcv_iters"], btcv.steps, VOCO_PEAK, released)
    certify("voco_lr", "learning rate on BTCV, oscillating", ours, arrays["btcv_lr"], atol=1e-10 * VOCO_PEAK)
    everywhere = rates(range(btcv.steps), btcv.steps, VOCO_PEAK, released)
    rises = np.diff(everywhere[WARMUP_EPOCHS["btcv"] :]) > 0
    assert np.flatnonzero(np.diff(rises)).size == 24  # 12 whole oscillations and the beginning of the next


def test_both_count_a_step_more_each_epoch_on_cc_ccii(full, golden, certify):
    arrays, (cc_ccii, epoch) = golden("voco_lr"), full("cc_ccii", "classification")
    peak, intended = cc_ccii.optimiser.lr, cc_ccii.schedule
    released = Schedule(warmup_steps=intended.warmup_steps, warmup="closed", extra_every_steps=epoch)
    ours = rates(arrays["cccii_iters"], cc_ccii.steps, peak, released)
    certify("voco_lr", "learning rate on CC-CCII", ours, arrays["cccii_lr"], atol=1e-10 * peak)


@pytest.mark.parametrize(("dataset", "kind"), [("btcv", "segmentation"), ("cc_ccii", "classification")])
def test_a_recipe_has_the_schedule_that_was_meant(dataset, kind, full):
    """A ramp of the published epochs, then one half cosine that ends with training; no step above the peak."""
    found, epoch = full(dataset, kind)
    warmup, peak = WARMUP_EPOCHS[dataset] * epoch, found.optimiser.lr
    ours = rates(range(found.steps), found.steps, peak, found.schedule)
    assert np.argmax(ours) == warmup and ours[warmup] == peak
    assert ours[:warmup] == pytest.approx(np.arange(warmup) / warmup * peak)
    theta = np.pi * np.arange(found.steps - warmup) / (found.steps - warmup) / 2
    assert ours[warmup:] == pytest.approx(peak * np.cos(theta) ** 2)
