"""Every task, through the real loop and by the demo's recipe, learns two phantoms by heart.

With a wrong loss or target it does not: the bars are far from chance, and from the identity of an image.
"""

import numpy as np
import pytest

from voxelbench import registry
from voxelbench.config import merge
from voxelbench.data.phantom import Space, blur
from voxelbench.encoders.build import build
from voxelbench.evaluate.finetune import make_task, score_cases
from voxelbench.evaluate.rows import to_frame
from voxelbench.evaluate.summary import case_values
from voxelbench.evaluate.task import TaskLearner
from voxelbench.method import BEFORE_TRAINING, seed_torch
from voxelbench.resolve import eval_spec
from voxelbench.runs import NO_CORPUS, RANDOM, EvalRun, PretrainRun
from voxelbench.training.device import alone
from voxelbench.training.loop import train
from voxelbench.training.sampling import Samples

SHAPE, SPACING = (64, 32, 32), (3.0, 4.0, 5.0)


@pytest.fixture
def overfit(tmp_path):
    """Return a function that trains a task of the demo on some cases and returns the metrics of each."""

    def learn(dataset, task_name, cases, **changes):
        spec = eval_spec(EvalRun(dataset, task_name, 0, PretrainRun("demo", NO_CORPUS, RANDOM, "swin12-demo", 0)))
        task = make_task(spec.model_copy(update={"recipe": merge(spec.recipe, changes)}))
        seed_torch(0, BEFORE_TRAINING)
        learner = TaskLearner(task, task.network(build(spec.encoder, task.in_channels, task.parts)))
        train(
            learner,
            task.recipe,
            Samples(cases, task.draw, 1, task.recipe.batch, 0),
            seed=0,
            identity="overfit",
            checkpoint_path=tmp_path / "state.pt",
            fabric=alone("cpu"),
        )
        rows = to_frame(score_cases(task, learner.network.eval(), cases, task.score))
        return case_values(spec.task.kind, rows)

    return learn


def anatomy(seed):
    """Three nested tissues in air, at other places in each phantom: uint8 (X, Y, Z)."""
    rng = np.random.RandomState(seed)
    space = Space.draw(SHAPE, SPACING, rng, elastic_mm=4.0)
    tissue = np.zeros(SHAPE, np.uint8)
    tissue[space.ellipsoid((0, 0, 0), (85, 55, 70))] = 1
    place = rng.uniform(-15, 15, 3)
    tissue[space.ellipsoid(place, (50, 38, 50))] = 2
    tissue[space.ellipsoid(place + np.array([8, 5, -8]), (28, 24, 30))] = 3
    return tissue


PHANTOMS = [anatomy(0), anatomy(1)]


def seen(tissue, levels, noise, rng):
    """Give air and each tissue its level, blur as a scanner does, add noise: float32 (X, Y, Z)."""
    image = blur(np.array(levels, np.float32)[tissue], SPACING, 4.0)
    return (image + noise * rng.normal(size=SHAPE)).astype(np.float32)


def gains(scores):
    return scores["psnr"] - scores["psnr_identity"]


@pytest.mark.slow
def test_segmentation(overfit, make_case):
    cases = [
        make_case(
            seen(tissue, (-1000, 0, 150, 60), 15, np.random.RandomState(n))[None],
            np.maximum(tissue, 1) - 1,
            name=f"case{n}",
        )
        for n, tissue in enumerate(PHANTOMS)
    ]
    scores = overfit("msd_liver", "segmentation", cases, steps=35, optimiser={"lr": 8.0e-3})
    assert scores["dice"].min() > 0.9


def test_classification(overfit, make_case):
    cases = [
        make_case(
            seen(tissue, (0, 1, 1.5, 1.2), 0.1, np.random.RandomState(n))[None],
            name=f"case{n}",
            channels=("pet",),
            target=n,
        )
        for n, tissue in enumerate(PHANTOMS)
    ]
    scores = overfit("adni", "classification", cases, steps=15)
    assert scores["accuracy"].tolist() == [1, 1]


def test_reconstruction(overfit, make_case):
    """Noise as of counts: its variance is in proportion to the dose."""
    doses = registry.dataset_card("udpet").task("reconstruction").inputs
    cases = []
    for n, tissue in enumerate(PHANTOMS):
        rng = np.random.RandomState(n)
        full = seen(tissue, (0, 2, 5, 9), 0, rng)
        low = [full + 0.5 * np.sqrt(full) * rng.normal(size=SHAPE) for _ in doses]
        volume = np.stack([full, *low]).clip(0).astype(np.float32)
        cases.append(make_case(volume, name=f"case{n}", channels=("full", *doses)))
    assert gains(overfit("udpet", "reconstruction", cases, steps=20)).min() > 3


@pytest.mark.slow
def test_translation(overfit, make_case):
    """The contrasts order the tissues differently, so that none is another one rescaled; the air is 0, as stripped."""
    levels = {"t1n": (0, 3, 5, 4), "t1c": (0, 3, 5, 9), "t2w": (0, 6, 3, 8), "t2f": (0, 4, 3, 9)}
    cases = []
    for n, tissue in enumerate(PHANTOMS):
        rng = np.random.RandomState(n)
        volume = np.stack([np.where(tissue > 0, seen(tissue, each, 0.2, rng), 0) for each in levels.values()])
        cases.append(make_case(volume, name=f"case{n}", channels=tuple(levels)))
    assert gains(overfit("brats23", "translation", cases, steps=30, optimiser={"lr": 8.0e-3})).min() > 3
