"""Two processes that share out the micro-batches of a step do what one process does.

The file is its own script: torchrun starts it twice, once for all tests, and each process writes down what it saw.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from voxelbench import cli
from voxelbench.errors import VoxelbenchError
from voxelbench.method import Progress
from voxelbench.nn.ema import follow, teacher_of
from voxelbench.nn.queue import FeatureQueue
from voxelbench.settings import Optimiser, Training
from voxelbench.training import checkpoint, torchrun
from voxelbench.training.device import alone, launch
from voxelbench.training.loop import train
from voxelbench.training.sampling import Samples

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}


class Contrast(nn.Module):
    """All that could tell processes apart: teacher, queue, dropout, draws, a norm over the batch, idle weights."""

    def __init__(self, poisoned=None):
        super().__init__()
        torch.manual_seed(0)
        self.student = nn.Sequential(nn.Conv3d(1, 4, 2), nn.BatchNorm3d(4), nn.Dropout(0.2))
        self.teacher = teacher_of(self.student)
        self.queue = FeatureQueue(11, 4)
        self.idle = nn.Linear(2, 2)
        self.poisoned = poisoned
        self._rows = []

    def before_step(self, progress):
        self._rows.clear()
        follow(self.teacher, self.student, 0.5)

    def forward(self, batch, progress):
        ours, theirs = (network(batch["image"]).mean((2, 3, 4)) for network in (self.student, self.teacher))
        self._rows.append(theirs.detach())
        noise = float(progress.rng.uniform())
        bad = float("nan") if (progress.step, progress.micro_batch) == self.poisoned else 1.0
        contrast = functional.cross_entropy(ours @ self.queue.rows.T, torch.arange(len(ours)))
        return {"contrast": contrast * bad, "fit": (ours - theirs - noise).square().mean()}

    def after_step(self, progress):
        self.queue.enqueue(torch.cat(self._rows))


def draw(cases, rng):
    return {"image": rng.normal(size=(1, 4, 6, 2)).astype(np.float32) + cases[0]}


def run(path, fabric, *, learner=None, accumulate=2, at_step=None):
    learner = learner or Contrast()
    settings = Training(
        steps=4,
        batch=2,
        accumulate=accumulate,
        loss_weights={"contrast": 1.0, "fit": 0.5},
        optimiser=Optimiser(name="sgd", lr=0.05, weight_decay=0.01, momentum=0.9),  # Adam would hide a factor
        checkpoint_steps=2,
    )
    samples = Samples(list(range(7)), draw, 1, settings.batch, 3)
    log = train(
        learner,
        settings,
        samples,
        fabric=fabric,
        seed=3,
        identity="spec",
        checkpoint_path=path,
        at_step=at_step,
    )
    return learner.state_dict(), log


class Killed(Exception):
    pass


def stop_after_three_steps(done):
    if done == 3:
        raise Killed


def refusal(work):
    try:
        work()
    except VoxelbenchError as error:
        return str(error)
    return None


def main(folder):
    """Do in each of two processes what the tests look at."""
    torch.set_num_threads(1)
    fabric, seen, states = launch("cpu"), {}, {}
    rank, saved, save = fabric.global_rank, [], checkpoint.save
    checkpoint.save = lambda path, *state: (saved.append(path.name), save(path, *state))

    steps = []
    states["whole"], seen["log"] = run(folder / "whole.pt", fabric, at_step=steps.append)
    seen["steps"], seen["saved"] = steps, list(saved)
    states["resumed"], seen["resumed_log"] = run(folder / "resumed.pt", fabric)

    queue = FeatureQueue(6, 1)
    for start in (0, 4):
        queue.enqueue(torch.tensor([[start + 2.0 * rank], [start + 2.0 * rank + 1.0]], dtype=torch.bfloat16))
    seen["queue"], seen["pointer"] = queue.rows.flatten().tolist(), int(queue.pointer)

    seen["uneven"] = refusal(lambda: run(folder / "uneven.pt", fabric, accumulate=3))
    seen["alone"] = refusal(lambda: alone("cpu"))
    seen["poisoned"] = refusal(lambda: run(folder / "poisoned.pt", fabric, learner=Contrast((2, 1))))
    seen["status"] = cli.main(["pretrain", "scratch", "--corpus", "none", "--budget", "demoo"])
    torch.save(states, folder / f"states{rank}.pt")
    (folder / f"seen{rank}.json").write_text(json.dumps(seen))


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What one process ends with, and the checkpoint that it left when it was killed."""
    folder = tmp_path_factory.mktemp("processes")
    with pytest.raises(Killed):
        run(folder / "resumed.pt", alone("cpu"), at_step=stop_after_three_steps)
    state, log = run(folder / "alone.pt", alone("cpu"))
    return folder, state, log


@pytest.fixture(scope="module")
def two(one):
    """What each of two processes saw, by rank: (seen, states, what both printed)."""
    folder = one[0]
    command = (*TORCHRUN, __file__, folder)
    done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = [json.loads((folder / f"seen{rank}.json").read_text()) for rank in range(2)]
    states = [torch.load(folder / f"states{rank}.pt", weights_only=True) for rank in range(2)]
    return [(seen[rank], states[rank], done.stderr) for rank in range(2)]


def assert_close(log, state, expected_log, expected_state):
    assert [row.keys() for row in log] == [row.keys() for row in expected_log]
    for row, expected in zip(log, expected_log, strict=True):
        assert row == pytest.approx(expected, abs=1e-6)
    assert state.keys() == expected_state.keys()
    for name in state:
        if "running" not in name and "num_batches" not in name:  # those of the first process
            torch.testing.assert_close(state[name], expected_state[name], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("log, state", [("log", "whole"), ("resumed_log", "resumed")])
@pytest.mark.parametrize("rank", [0, 1])
def test_two_processes_log_and_learn_what_one_does_and_go_on_from_its_checkpoint(one, two, rank, log, state):
    _, expected_state, expected_log = one
    seen, states, _ = two[rank]
    assert_close(seen[log], states[state], expected_log, expected_state)


def test_only_the_first_process_writes(two):
    first, second = (seen for seen, *_ in two)
    assert first["steps"] == [1, 2, 3, 4] and first["saved"] == ["whole.pt"]
    assert second["steps"] == [] and second["saved"] == []


def test_a_queue_takes_the_rows_of_all_processes_in_their_order(two):
    for seen, *_ in two:
        assert seen["queue"] == [6, 7, 2, 3, 4, 5] and seen["pointer"] == 2


def test_processes_that_do_not_divide_a_step_are_refused(two):
    for seen, *_ in two:
        assert seen["uneven"] == (
            "training runs on 2 processes, but a step has 3 micro-batches (`accumulate`);"
            " use a number of processes that divides it."
        )


def test_a_run_of_one_process_is_refused_under_several(two):
    assert two[1][0]["alone"] == (
        "this run takes one process, but torchrun started 2; start it with `python -m voxelbench`."
    )


def test_a_term_that_is_not_finite_in_one_process_stops_all_with_one_sentence(one, two):
    sentences = {seen["poisoned"] for seen, *_ in two}
    assert len(sentences) == 1
    assert sentences.pop().startswith("term 'contrast' is nan at step 2 (contrast=nan, fit=")
    assert torch.load(one[0] / "poisoned.pt", weights_only=True)["step"] == 2


def test_an_error_that_every_process_meets_is_printed_once(two):
    stderr, statuses = two[0][2], [seen["status"] for seen, *_ in two]
    assert statuses == [1, 1]
    assert stderr.count("Did you mean 'demo'?") == 1


def test_draws_of_hooks_micro_batches_and_samples_are_apart():
    progresses = [Progress(5, 9, 1, micro_batch) for micro_batch in (None, 0, 1)]
    first = [progress.rng.uniform() for progress in progresses]
    first += [Samples([0], lambda cases, rng: {"u": rng.uniform()}, 1, 4, 1)[20 + place]["u"] for place in range(4)]
    assert len(set(first)) == len(first)
    assert Progress(5, 99, 1, 1).rng.uniform() == first[2]


if __name__ == "__main__":
    main(Path(sys.argv[1]))


@pytest.mark.parametrize(("n_processes", "launched", "starts"), [(1, False, False), (4, False, True), (4, True, False)])
def test_a_budget_of_several_processes_starts_them(monkeypatch, n_processes, launched, starts):
    calls = []
    monkeypatch.setattr(torchrun.os, "execv", lambda program, arguments: calls.append(arguments))
    monkeypatch.setattr(torchrun, "is_launched", lambda: launched)
    monkeypatch.setattr(sys, "argv", ["voxelbench", "pretrain", "s2dc"])
    torchrun.start(n_processes)
    assert bool(calls) == starts
    if starts:
        assert calls[0][-5:] == ("4", "-m", "voxelbench", "pretrain", "s2dc")
