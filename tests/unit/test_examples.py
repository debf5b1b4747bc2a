"""Examples: one slice of each test case with its value, in the same bytes whenever they are made."""

import time

import numpy as np
import pytest

from voxelbench.cards import TaskKind
from voxelbench.evaluate.examples import (
    LARGEST,
    Example,
    fullest,
    grey,
    most_telling,
    painted,
    read_examples,
    thin,
    write_examples,
)
from voxelbench.evaluate.rows import Row


def rows(**dice):
    return [
        Row(name, "p", "a", "dice", value, 1, space) for name, value in dice.items() for space in ("native", "grid")
    ]


def example(name, seed=0):
    rng = np.random.RandomState(seed)
    return Example(name, {each: rng.randint(0, 4, (5, 6)).astype(np.uint8) for each in ("image", "truth", "answer")})


def test_examples_come_back_with_the_values_of_their_cases(tmp_path):
    path = tmp_path / "run" / "examples.npz"
    made = [example("b"), example("a", seed=1), example("without")]
    write_examples(path, TaskKind.segmentation, "harness", made, rows(a=0.25, b=0.5, c=0.75))
    first, second, third = read_examples(path)
    assert (first.case_id, first.value, second.case_id, second.value) == ("b", 0.5, "a", 0.25)
    assert np.isnan(third.value) and third.panels.keys() == made[2].panels.keys()
    assert all((second.panels[name] == panel).all() for name, panel in made[1].panels.items())


def test_the_value_is_the_one_that_tables_show(tmp_path):
    scored = [Row("a", "p", "x", "dice", 0.2, 1, "native"), Row("a", "p", "x", "dice", 0.9, 1, "grid")]
    write_examples(tmp_path / "e.npz", TaskKind.segmentation, "harness", [example("a")], scored)
    assert read_examples(tmp_path / "e.npz")[0].value == 0.2


def test_equal_examples_are_equal_bytes_at_any_time(tmp_path, monkeypatch):
    paths = [tmp_path / "first.npz", tmp_path / "second.npz"]
    for path, clock in zip(paths, (1e9, 1.5e9), strict=True):
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        write_examples(path, TaskKind.segmentation, "harness", [example("a")], rows(a=0.25))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_fullest_slice():
    mask = np.zeros((4, 4, 7), bool)
    assert fullest(mask) == 3
    mask[0, 0, 1] = mask[:2, :2, 5] = mask[2:, 2:, 6] = True
    assert fullest(mask) == 5


@pytest.mark.parametrize(("side", "kept"), [(LARGEST, LARGEST), (LARGEST + 1, 65), (512, 128), (700, 117)])
def test_a_large_slice_is_thinned(side, kept):
    assert thin(np.zeros((side, 3))).shape[0] == kept


def test_grey_is_stretched_and_a_flat_slice_is_black():
    ramp = grey(np.linspace(-1000, 500, 10_000).reshape(100, 100))
    assert (ramp.min(), ramp.max()) == (0, 255) and 126 <= ramp[50, 0] <= 129
    assert not grey(np.full((3, 3), 7.0)).any()


def test_the_channel_that_shows_the_lesion_is_chosen():
    truth = np.zeros((8, 8), bool)
    truth[2:4, 2:4] = True
    noise = np.random.RandomState(0).normal(size=(3, 8, 8))
    noise[2] += 5 * truth
    assert most_telling(noise, truth) is not None and (most_telling(noise, truth) == noise[2]).all()
    assert (most_telling(noise, ~truth & truth) == noise[0]).all()


def test_of_overlapping_masks_the_last_one_shows():
    masks = np.array([[[1, 1, 1, 0]], [[0, 1, 0, 0]]], bool)
    assert painted(masks).tolist() == [[1, 2, 1, 0]]
