"""The checks notice what they are for: each is shown the template with one promise broken."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from voxelbench import checks, registry


@pytest.fixture
def subject(tmp_path):
    return checks.Subject("_template", registry.method_card("_template"), tmp_path)


@pytest.fixture
def break_plugin(subject):
    """Replace parts of the template's module for this subject alone."""

    def replace(**parts):
        module = registry.load_method("_template")
        kept = {"Config": module.Config, "views": module.views, "Method": module.Method}
        subject.__dict__["plugin"] = SimpleNamespace(**(kept | parts))

    return replace


def test_views_that_use_a_global_generator(subject, break_plugin):
    break_plugin(views=lambda cases, config, rng: {"volume": np.random.rand(2)})
    assert "global random generator" in checks.views_are_pure(subject)


def test_views_that_keep_state(subject, break_plugin):
    counter = iter(range(9))
    break_plugin(views=lambda cases, config, rng: {"volume": np.full(2, next(counter))})
    assert "another 'volume'" in checks.views_are_pure(subject)


def test_views_as_large_as_the_case(subject, break_plugin):
    break_plugin(views=lambda cases, config, rng: {"volume": cases[0].read()})
    assert "views 'volume' is ((1, 77, 42, 39)" in checks.views_have_one_shape(subject)


def method(**overrides):
    return type("Method", (registry.load_method("_template").Method,), overrides)


def test_a_term_without_a_weight(subject, break_plugin):
    break_plugin(Method=method(forward=lambda self, views, progress: {"other": torch.ones(())}))
    assert "['other'], loss_weights has ['reconstruction']" in checks.terms_are_finite_scalars(subject)


def test_a_term_that_is_not_finite(subject, break_plugin):
    break_plugin(Method=method(forward=lambda self, views, progress: {"reconstruction": torch.tensor(torch.nan)}))
    assert "'reconstruction' is nan" in checks.terms_are_finite_scalars(subject)


def test_a_trunk_without_gradient(subject, break_plugin):
    def forward(self, views, progress):
        return {"reconstruction": self.head(self.backbone.trunk(views["volume"])[-1].detach()).mean()}

    break_plugin(Method=method(forward=forward))
    assert "weights of the backbone take no gradient, the first is trunk." in checks.needed_weights_take_gradients(
        subject
    )


def test_a_loss_that_does_not_fall(subject, break_plugin):
    def forward(self, views, progress):
        return {"reconstruction": self.head.weight.mean() * 0 + 1}

    break_plugin(Method=method(forward=forward))
    assert "the loss went from 1.0000 to 1.0000" in checks.it_learns(subject)


def test_draws_that_no_seed_governs(subject, break_plugin):
    unseeded = np.random.RandomState()

    def forward(self, views, progress):
        return {"reconstruction": self.head.weight.mean() * 0 + float(unseeded.rand())}

    break_plugin(Method=method(forward=forward))
    assert "two runs of one seed" in checks.equal_seeds_give_equal_losses(subject)


def test_state_that_is_not_registered(subject, break_plugin):
    def after_step(self, progress):
        self.seen = getattr(self, "seen", 0) + 1

    def forward(self, views, progress):
        return {"reconstruction": self.head.weight.mean() * 0 + getattr(self, "seen", 0)}

    break_plugin(Method=method(after_step=after_step, forward=forward))
    assert "after loading the state" in checks.state_round_trips(subject)


def test_a_declared_exception_is_reported_and_passes(subject):
    card = subject.card.model_copy(update={"exceptions": {"learning": "the head is detached"}})
    excused = checks.Subject(subject.name, card, subject.scratch)
    result = checks.run_check(excused, "learning", lambda _: "it does not learn")
    assert result == checks.Result("learning", True, "exception declared in card.yaml: the head is detached")


def test_an_error_of_a_plugin_fails_its_check_with_the_place(subject):
    def broken(_):
        raise KeyError("tooth")

    result = checks.run_check(subject, "terms", broken)
    assert not result.passed
    assert "in broken" in result.message
    assert "KeyError: 'tooth'" in result.message
