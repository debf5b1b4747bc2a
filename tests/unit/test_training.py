"""The loop: its schedule, its sums, and a resumed run that ends with the same bytes as one that never stopped."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from voxelbench import registry
from voxelbench.checks import Subject
from voxelbench.errors import DataError, TrainingError
from voxelbench.method import Method, ParameterGroup
from voxelbench.settings import Clip, Optimiser, Schedule, Training
from voxelbench.training import checkpoint
from voxelbench.training.device import alone
from voxelbench.training.loop import clip_gradients, train, weighted_sum
from voxelbench.training.sampling import Samples, batches
from voxelbench.training.schedule import learning_rate, weight_decay

CPU = alone("cpu")


class Toy(nn.Module):
    """A learner with two terms, dropout, and a buffer that a hook moves."""

    def __init__(self, poison=None):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv3d(1, 2, 1), nn.Dropout(0.3), nn.Conv3d(2, 1, 1))
        self.register_buffer("n_steps", torch.zeros(()))
        self.poison = poison

    def forward(self, batch, progress):
        output = self.layers(batch["image"])
        fit = (output - batch["image"]).square().mean()
        noise = float(progress.rng.uniform())
        bad = math.nan if progress.step == self.poison else 1.0
        return {"fit": fit, "size": output.square().mean() * noise * bad}

    def after_step(self, progress):
        self.n_steps += 1


def draw(cases, rng):
    return {"image": rng.normal(size=(1, 4, 6, 2)).astype(np.float32) + cases[0]}


def settings(**changes):
    facts = {
        "steps": 7,
        "batch": 2,
        "loss_weights": {"fit": 1.0, "size": 0.25},
        "optimiser": Optimiser(lr=0.05, weight_decay=0.01),
        "schedule": Schedule(warmup_steps=2),
        "checkpoint_steps": 3,
    }
    return Training.model_validate(facts | changes)


def run(path, *, learner=None, identity="spec", at_step=None, seed=3, workers=0, **changes):
    learner, chosen = learner or Toy(), settings(**changes)
    samples = Samples(list(range(5)), draw, 1, chosen.batch, seed)
    log = train(
        learner,
        chosen,
        samples,
        seed=seed,
        identity=identity,
        checkpoint_path=path,
        fabric=CPU,
        workers=workers,
        at_step=at_step,
    )
    return learner.state_dict(), log


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.pt"


class Killed(Exception):
    pass


def stop_after(step):
    def at_step(done):
        if done == step:
            raise Killed

    return at_step


def assert_equal_states(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("killed_after", [1, 4, 6])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resumed_run_ends_with_the_same_weights_and_log(tmp_path, killed_after, accumulate):
    expected, expected_log = run(tmp_path / "whole.pt", accumulate=accumulate)
    path = tmp_path / "killed.pt"
    with pytest.raises(Killed):
        run(path, at_step=stop_after(killed_after), accumulate=accumulate)
    assert path.exists() == (killed_after > 3)
    state, log = run(path, accumulate=accumulate)
    assert_equal_states(state, expected)
    assert log == expected_log
    assert [row["step"] for row in log] == list(range(7)) and state["n_steps"] == 7


def test_the_checkpoint_of_another_spec_is_left_aside(path, tmp_path, caplog):
    with pytest.raises(Killed):
        run(path, at_step=stop_after(4), identity="other")
    state, log = run(path)
    expected, expected_log = run(tmp_path / "fresh.pt")
    assert_equal_states(state, expected)
    assert log == expected_log
    assert f"{path} belongs to another configuration of this run; starting from step 0." in caplog.text


def test_a_damaged_checkpoint_is_left_aside(path, tmp_path, caplog):
    with pytest.raises(Killed):
        run(path, at_step=stop_after(4))
    path.write_bytes(path.read_bytes()[:200])
    state, _ = run(path)
    assert_equal_states(state, run(tmp_path / "fresh.pt")[0])
    assert f"{path} cannot be read (" in caplog.text


def test_a_checkpoint_of_another_shape_is_refused_and_kept(path):
    with pytest.raises(Killed):
        run(path, at_step=stop_after(4))
    before = path.read_bytes()
    wider = Toy()
    wider.register_buffer("more", torch.zeros(2))
    with pytest.raises(TrainingError, match=r"state\.pt: is of this run, .*\"more\".* move the file away") as caught:
        run(path, learner=wider)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_write_that_fails_keeps_the_last_checkpoint(path, monkeypatch):
    with pytest.raises(Killed):
        run(path, at_step=stop_after(4))
    before = path.read_bytes()

    def fail(state, partial):
        partial.write_bytes(b"half")
        raise OSError("disk")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk"):
        checkpoint.save(path, "spec", 5, Toy(), torch.optim.SGD(Toy().parameters(), lr=1.0), [])
    assert path.read_bytes() == before


def test_a_loss_that_is_not_finite_names_term_and_step_and_keeps_the_last_state(path):
    with pytest.raises(TrainingError) as caught:
        run(path, learner=Toy(poison=5))
    sentence = str(caught.value)
    assert sentence.startswith("term 'size' is nan at step 5 (fit=") and ", size=nan); " in sentence
    assert sentence.endswith(f"; last good state: {path}.")
    assert torch.load(path, weights_only=True)["step"] == 3


def test_a_loss_that_is_not_finite_at_once_has_no_last_state(path):
    with pytest.raises(TrainingError, match=r"at step 0 .*; last good state: none yet\.$"):
        run(path, learner=Toy(poison=0))


def test_other_terms_than_the_weights_are_refused():
    with pytest.raises(TrainingError) as caught:
        weighted_sum({"a": torch.ones(())}, {"a": 1.0, "b": 1.0})
    assert str(caught.value) == "the method returned the terms ['a'], loss_weights has ['a', 'b']; make them equal."


def test_the_total_is_the_weighted_sum(path):
    _, log = run(path)
    for row in log:
        assert row["total"] == pytest.approx(row["fit"] + 0.25 * row["size"], rel=1e-6)


class Mean(nn.Module):
    """A learner whose loss is a mean over samples, so that micro-batches of equal size add up to the batch."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv3d(1, 1, 2)

    def forward(self, batch, progress):
        return {"fit": self.layer(batch["image"]).square().mean()}


def test_accumulating_equals_a_larger_batch(tmp_path):
    image = np.random.RandomState(0).normal(size=(4, 1, 4, 5, 3)).astype(np.float32)
    states = []
    for batch, accumulate in ((4, 1), (1, 4), (2, 2)):
        learner = Mean()
        chosen = settings(
            batch=batch,
            accumulate=accumulate,
            steps=1,
            loss_weights={"fit": 1.0},
            optimiser=Optimiser(name="sgd", lr=0.1, weight_decay=0.0),
            schedule=Schedule(shape="constant"),
        )
        samples = Samples(list(range(4)), lambda cases, rng: {"image": image[cases[0]]}, 1, batch, 0)
        train(learner, chosen, samples, seed=0, identity="", checkpoint_path=tmp_path / f"{batch}.pt", fabric=CPU)
        states.append(learner.layer.weight.detach())
    for other in states[1:]:
        torch.testing.assert_close(other, states[0])


def template_losses(folder, precision):
    """Losses of a few steps of the template method on one batch."""
    subject = Subject("_template", registry.method_card("_template"), folder)
    chosen = subject.settings.model_copy(
        update={
            "steps": 6,
            "precision": precision,
            "optimiser": Optimiser(lr=1e-6, weight_decay=0.0),
            "schedule": Schedule(shape="constant"),
        }
    )

    def same_views(cases, rng):
        return subject.plugin.views(cases, chosen, np.random.RandomState(0))

    samples = Samples(subject.groups[0], same_views, 1, chosen.batch, 0)
    path = folder / f"{precision}.pt"
    log = train(subject.method(), chosen, samples, fabric=CPU, seed=0, identity="", checkpoint_path=path)
    return [row["total"] for row in log]


def test_bf16_learns_as_fp32_does(tmp_path):
    full, mixed = (template_losses(tmp_path, precision) for precision in ("fp32", "bf16"))
    assert mixed[0] == pytest.approx(full[0], rel=0.02) and mixed[0] != full[0]
    assert mixed == pytest.approx(full, abs=0.05 * full[0])
    assert all(after < before for losses in (full, mixed) for before, after in itertools.pairwise(losses))


class Seer(Mean):
    """Notes the types of what it is given and what it computes."""

    def forward(self, batch, progress):
        output = self.layer(batch["image"])
        self.seen = batch["image"].dtype, output.dtype
        return {"fit": output.float().square().mean()}


def test_bf16_leaves_the_views_as_they_were_drawn(path):
    learner = Seer()
    run(path, learner=learner, precision="bf16", loss_weights={"fit": 1.0}, steps=1)
    assert learner.seen == (torch.float32, torch.bfloat16)


@pytest.mark.parametrize("scope", ["global", "per_tensor"])
def test_clipping(scope):
    learner = nn.ModuleList([nn.Linear(3, 1, bias=False), nn.Linear(3, 1, bias=False), nn.Linear(3, 1, bias=False)])
    gradients = [torch.tensor([[3.0, 0.0, 4.0]]), torch.tensor([[0.0, 0.1, 0.0]])]
    for layer, gradient in zip(learner, gradients, strict=False):
        layer.weight.grad = gradient.clone()
    clip_gradients(learner, Clip(max_norm=1.0, scope=scope))
    whole = math.sqrt(25.01)
    norms = [5 / whole, 0.1 / whole] if scope == "global" else [1.0, 0.1]
    assert [layer.weight.grad.norm().item() for layer in learner[:2]] == pytest.approx(norms, rel=1e-4)
    assert learner[2].weight.grad is None


class Parted(Method):
    """Two weights that the loss does not move, the second in a group that neither decays nor is clipped."""

    def __init__(self):
        nn.Module.__init__(self)
        self.first, self.second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))

    def parameter_groups(self):
        return [ParameterGroup((self.first,)), ParameterGroup((self.second,), weight_decay_scale=0, clipped=False)]

    def forward(self, batch, progress):
        return {"fit": 0 * (self.first + self.second).sum()}


@pytest.mark.parametrize("scope", ["global", "per_tensor"])
def test_a_group_may_be_left_out_of_clipping(scope):
    learner = Parted()
    for parameter in learner.parameters():
        parameter.grad = torch.tensor([3.0, 4.0])
    clip_gradients(learner, Clip(max_norm=1.0, scope=scope))
    assert [parameter.grad.norm().item() for parameter in learner.parameters()] == pytest.approx([1.0, 5.0])


def test_no_clip_leaves_gradients():
    layer = nn.Linear(3, 1)
    layer.weight.grad = torch.full((1, 3), 100.0)
    clip_gradients(layer, None)
    assert torch.all(layer.weight.grad == 100)


@given(total=st.integers(2, 500), data=st.data())
def test_the_rate_is_a_ramp_and_half_a_cosine(total, data):
    warmup = data.draw(st.integers(0, total - 1))
    schedule = Schedule(warmup_steps=warmup, min_lr=0.1)
    rates = [learning_rate(step, total, 2.0, schedule) for step in range(total + 1)]
    assert rates[:warmup] == pytest.approx([2.0 * step / warmup for step in range(warmup)])
    assert rates[warmup] == pytest.approx(2.0) and rates[total] == pytest.approx(0.1)
    cosine = rates[warmup:]
    n = len(cosine) - 1
    assert cosine == pytest.approx([0.1 + 1.9 * math.cos(math.pi * k / (2 * n)) ** 2 for k in range(n + 1)])
    assert learning_rate(total - 1, total, 2.0, Schedule(shape="constant")) == 2.0


@given(warmup=st.integers(2, 50))
def test_a_closed_warm_up_ends_at_the_peak_and_may_lie_below_the_last_rate(warmup):
    schedule = Schedule(warmup_steps=warmup, warmup="closed", min_lr=0.5)
    rates = [learning_rate(step, 2 * warmup, 0.1, schedule) for step in range(2 * warmup + 1)]
    assert rates[:warmup] == pytest.approx(np.linspace(0, 0.1, warmup))
    assert rates[warmup] == pytest.approx(0.1) and rates[-1] == pytest.approx(0.5)
    assert np.all(np.diff(rates[warmup:]) > 0)


def test_a_closed_warm_up_of_one_step_starts_from_0():
    assert learning_rate(0, 9, 0.1, Schedule(warmup_steps=1, warmup="closed")) == 0


@given(every=st.integers(1, 7), epochs=st.integers(3, 20))
def test_a_rate_by_epoch_is_that_of_as_many_steps_each_of_them_held(every, epochs):
    by_epoch = Schedule(warmup_steps=2 * every, every_steps=every)
    rates = [learning_rate(step, epochs * every, 1.0, by_epoch) for step in range(epochs * every)]
    expected = [learning_rate(epoch, epochs, 1.0, Schedule(warmup_steps=2)) for epoch in range(epochs)]
    assert rates == np.repeat(expected, every).tolist()


def test_beyond_its_trough_a_rate_climbs_back_and_falls_again():
    schedule = Schedule(warmup_steps=2, trough_step=6, min_lr=0.5)
    rates = [learning_rate(step, 15, 1.0, schedule) for step in range(2, 15)]
    assert rates[4] == 0.5 and rates[8] == 1 and rates[12] == pytest.approx(0.5)
    assert rates[:5] == pytest.approx(rates[8:3:-1])


@pytest.mark.parametrize("changes", [{"trough_step": 2}, {"trough_step": 9, "shape": "constant"}])
def test_a_trough_takes_a_cosine_after_the_warm_up(changes):
    with pytest.raises(ValueError, match=r"trough_step \d takes a cosine after warmup_steps 2"):
        Schedule(warmup_steps=2, **changes)


@given(total=st.integers(1, 500), end=st.floats(0, 2))
def test_weight_decay_is_constant_or_half_a_cosine(total, end):
    optimiser = Optimiser(lr=1.0, weight_decay=0.04, weight_decay_end=end)
    decays = [weight_decay(step, total, optimiser) for step in range(total + 1)]
    theta = np.pi * np.arange(total + 1) / (2 * total)
    assert decays == pytest.approx(0.04 * np.cos(theta) ** 2 + end * np.sin(theta) ** 2)
    assert weight_decay(total, total, Optimiser(lr=1.0, weight_decay=0.04)) == 0.04


def test_weight_decay_reaches_each_group_with_its_share(path):
    """AdamW without a gradient multiplies a weight by 1 - rate * decay."""
    optimiser = Optimiser(lr=0.5, weight_decay=0.1, weight_decay_end=0.4)
    constant = Schedule(shape="constant")
    learnt, _ = run(path, learner=Parted(), steps=3, loss_weights={"fit": 1.0}, optimiser=optimiser, schedule=constant)
    left = math.prod(1 - 0.5 * weight_decay(step, 3, optimiser) for step in range(3))
    assert learnt["first"].tolist() == pytest.approx([left, left]) and learnt["second"].tolist() == [1, 1]


def test_a_steps_rate_is_in_the_log(path):
    _, log = run(path)
    assert [row["lr"] for row in log] == [learning_rate(step, 7, 0.05, Schedule(warmup_steps=2)) for step in range(7)]


def samples_of(n, group_size, seed=0):
    return Samples(
        list(range(n)), lambda cases, rng: {"x": rng.normal(size=2), "case": np.array(cases)}, group_size, 2, seed
    )


@given(n=st.integers(1, 9), group_size=st.integers(1, 4), seed=st.integers(0, 9))
def test_every_case_comes_first_once_an_epoch_and_companions_are_distinct(n, group_size, seed):
    if n < group_size:
        with pytest.raises(DataError) as caught:
            samples_of(n, group_size)
        assert str(caught.value) == f"a sample needs {group_size} cases and the corpus has {n}; add cases to it."
        return
    samples = samples_of(n, group_size, seed)
    for epoch in range(3):
        groups = [samples.group(index) for index in range(epoch * n, (epoch + 1) * n)]
        assert sorted(group[0] for group in groups) == list(range(n))
        assert all(len(set(group)) == group_size for group in groups)


def test_orders_change_from_epoch_to_epoch_and_with_the_seed():
    orders = {
        tuple(samples_of(9, 1, seed).group(9 * epoch + i)[0] for i in range(9)) for seed in (0, 1) for epoch in (0, 1)
    }
    assert len(orders) == 4


def test_batches_start_anywhere():
    whole = list(batches(samples_of(5, 2), range(6), workers=0))
    later = list(batches(samples_of(5, 2), range(4, 6), workers=0))
    for ours, theirs in zip(later, whole[4:], strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_worker_draws_the_same_samples():
    """The one test that starts a worker process."""
    samples = Samples(list(range(5)), draw, 1, 2, 0)
    here, there = (list(batches(samples, range(3), workers)) for workers in (0, 1))
    assert all(torch.equal(ours["image"], theirs["image"]) for ours, theirs in zip(here, there, strict=True))
