"""The contract of a method folder as checks, run by `voxelbench check NAME` and by the tests on every folder.

A check returns what is wrong, or "". An exception that a method declares in its card is reported and not counted.
"""

import math
import pickle
import random
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch.utils.data import default_collate

from voxelbench import paths, registry
from voxelbench.cards import MethodCard
from voxelbench.config import read_budget, read_encoder
from voxelbench.data.cache import write_volume
from voxelbench.data.case import Case
from voxelbench.encoders.backbone import Backbone
from voxelbench.encoders.build import build, load_pretrained
from voxelbench.encoders.publish import publish
from voxelbench.errors import VoxelbenchError
from voxelbench.method import Batch, Losses, Method, MethodConfig, Progress, Views, seed_torch, step_rng
from voxelbench.resolve import method_config
from voxelbench.runs import MethodId
from voxelbench.settings import AnyPreset
from voxelbench.training.device import alone
from voxelbench.training.loop import Log, make_optimiser, parameter_groups, train, weighted_sum
from voxelbench.training.sampling import Samples

HEADINGS = (
    "Idea",
    "From paper to code",
    "Where paper and released code disagree, and what we do",
    "Expected",
    "Cite",
)
BUDGET = "demo"
_SEED = 0
_LEARNING_STEPS, _COMPARED_STEPS = 30, 5


@dataclass(frozen=True)
class Result:
    """The outcome of one check. `message` says what is wrong, or why an exception is declared."""

    name: str
    passed: bool
    message: str = ""


@dataclass(frozen=True)
class Subject:
    """A method under check, with the demo's settings and encoder, and synthetic cases in `scratch`.

    `name` may name a variant, which is `code` otherwise.
    """

    name: str
    card: MethodCard
    scratch: Path

    @cached_property
    def identity(self) -> MethodId:
        """The method and its variant."""
        return MethodId.parse(self.name)

    @cached_property
    def plugin(self) -> ModuleType:
        """The imported `method.py`."""
        return registry.load_method(self.identity.name)

    @cached_property
    def settings(self) -> MethodConfig:
        """The validated settings of the demo."""
        return method_config(self.identity, BUDGET)

    @cached_property
    def preset(self) -> AnyPreset:
        """The encoder of the demo."""
        return read_encoder(read_budget(BUDGET).encoder)

    @cached_property
    def groups(self) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        """Two samples' worth of cases that differ in size and spacing; no axis equals another."""
        size = np.array(self.settings.crop)
        longer, mixed = size + np.array((13, 10, 7)), (size * (0.8, 1.1, 1.3)).astype(int)
        return self._cases("longer", longer, (0.8, 0.8, 2.5)), self._cases("mixed", mixed, (1.5, 1.1, 1.0))

    def _cases(self, name: str, shape: np.ndarray, spacing_mm: tuple[float, float, float]) -> tuple[Case, ...]:
        modality, rule = next(iter(self.settings.intensity.items()))
        cases = []
        for number in range(self.settings.group_size):
            case_id = f"{name}{number}"
            path = self.scratch / f"{case_id}.h5"
            volume = _phantom(shape + number, rule.low, rule.high, np.random.RandomState(number))
            write_volume(path, volume)
            affine, (x, y, z) = np.diag((*spacing_mm, 1.0)), volume.shape[1:]
            cases.append(Case(case_id, case_id, modality, ("image",), ("",), spacing_mm, affine, (x, y, z), path))
        return tuple(cases)

    def backbone(self) -> Backbone:
        """Build a fresh backbone with the parts that the method needs."""
        return build(self.preset, in_channels=1, parts=self.plugin.Method.needs)

    def method(self, seed: int = _SEED) -> Method:
        """Build the method on a fresh backbone, both initialised from `seed`."""
        torch.manual_seed(seed)
        method: Method = self.plugin.Method(self.backbone(), self.settings)
        # As the loop lays weights out: another layout rounds differently.
        return method.to(memory_format=torch.channels_last_3d).train()  # type: ignore[call-overload]

    def views(self, group: tuple[Case, ...], index: int = 0) -> Views:
        """Draw sample `index` of the first step from a group of cases."""
        drawn: Views = self.plugin.views(group, self.settings, step_rng(_SEED, 0, index))
        return drawn

    def batch(self, size: int) -> Batch:
        """Draw and collate `size` samples."""
        collated: Batch = default_collate([self.views(self.groups[i % 2], i) for i in range(size)])
        return collated

    def losses(self, method: Method, batch: Batch) -> Losses:
        """Return the terms of the first step; every call draws the same."""
        seed_torch(_SEED, 0)
        losses: Losses = method(batch, self.progress())
        return losses

    def progress(self) -> Progress:
        """Return the clock of the first step, its random state unused."""
        return Progress(0, self.settings.steps, _SEED)

    def train(self, method: Method, steps: int) -> Log:
        """Run the engine's own loop for a few steps."""
        settings = self.settings.model_copy(update={"steps": steps})
        samples = Samples(
            [case for group in self.groups for case in group],
            lambda group, rng: self.plugin.views(group, self.settings, rng),
            settings.group_size,
            settings.batch,
            _SEED,
        )
        checkpoint = self.scratch / "checkpoint.pt"
        checkpoint.unlink(missing_ok=True)
        return train(
            method, settings, samples, fabric=alone("cpu"), seed=_SEED, identity="", checkpoint_path=checkpoint
        )


def _phantom(shape: np.ndarray, low: float, high: float, rng: np.random.RandomState) -> np.ndarray:
    """Draw float32 (1, *shape) of blocks, 8 voxels wide, each of one value between `low` and `high`, with noise."""
    blocks = rng.uniform(low, high, shape // 8 + 1)
    volume = np.kron(blocks, np.ones((8, 8, 8)))[tuple(slice(n) for n in shape)]
    return (volume + rng.normal(0, (high - low) / 50, shape))[None].astype(np.float32)


def check_method(name: str) -> list[Result]:
    """Run every check that applies to `name[.variant]`; only a pretext method has more than a folder.

    Without a variant, the one is checked that the card names in `checked_as`.
    """
    card = registry.method_card(MethodId.parse(name).name)
    if "." not in name and card.checked_as:
        name = f"{name}.{card.checked_as}"
    checks = {"folder": folder_is_complete, **(PRETEXT_CHECKS if card.is_pretext else {})}
    with tempfile.TemporaryDirectory() as scratch:
        subject = Subject(name, card, Path(scratch))
        return [run_check(subject, check_name, check) for check_name, check in checks.items()]


def run_check(subject: Subject, name: str, check: Callable[[Subject], str]) -> Result:
    """Run one check; an error that the plug-in raises is a failure, and the message says where."""
    try:
        problem = check(subject)
    except VoxelbenchError as error:
        problem = str(error)
    except Exception as error:  # a plug-in may raise anything
        problem = "".join(traceback.format_exception(error, limit=-3)).rstrip()
    reason = subject.card.exceptions.get(name)
    if problem and reason:
        return Result(name, True, f"exception declared in card.yaml: {reason}")
    return Result(name, not problem, problem)


def folder_is_complete(subject: Subject) -> str:
    """Card, config, README with the fixed headings, and for what is more than a control its module and a test."""
    name = subject.identity.name
    folder = registry.folder("methods", name)
    wanted = ["__init__.py", registry.CARD, registry.CONFIG, "README.md"]
    if subject.card.kind != "control":
        wanted += ["method.py" if subject.card.is_pretext else "external.py", "test_*.py"]
    missing = [pattern for pattern in wanted if not any(folder.glob(pattern))]
    if missing:
        return f"{folder} has no {', '.join(missing)}; methods/_template shows one."
    if subject.card.name != name:
        return f"{folder / registry.CARD} is named '{subject.card.name}', its folder '{name}'; make them equal."
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    headings = tuple(line.removeprefix("## ") for line in lines if line.startswith("## "))
    return "" if headings == HEADINGS else f"{folder / 'README.md'} has the headings {headings}, expected {HEADINGS}."


def views_are_pure(subject: Subject) -> str:
    """Equal cases and random state give equal arrays, and no global generator is touched."""
    before = _global_states()
    first, second = subject.views(subject.groups[0]), subject.views(subject.groups[0])
    if before != _global_states():
        return "views drew from a global random generator; draw from `rng` only."
    changed = [name for name in first if not np.array_equal(first[name], second[name])]
    return f"views drew another '{changed[0]}' from the same random state; draw from `rng` only." if changed else ""


def _global_states() -> list[bytes]:
    return [pickle.dumps(state) for state in (random.getstate(), np.random.get_state(), torch.get_rng_state().tolist())]


def views_are_picklable(subject: Subject) -> str:
    """The function, its config and its result travel to a worker and back; raises where one does not."""
    pickle.loads(pickle.dumps((subject.plugin.views, subject.settings, subject.views(subject.groups[0]))))
    return ""


def views_have_one_shape(subject: Subject) -> str:
    """Shapes and types do not depend on a case's size and spacing, so that any two samples collate."""
    shapes = [
        {name: (array.shape, array.dtype) for name, array in subject.views(group).items()} for group in subject.groups
    ]
    differing = sorted(
        name for name in shapes[0].keys() | shapes[1].keys() if shapes[0].get(name) != shapes[1].get(name)
    )
    if not differing:
        return ""
    name, extents = differing[0], [group[0].shape for group in subject.groups]
    first, second = (shape.get(name, "absent") for shape in shapes)
    return f"views '{name}' is {first} for a case of {extents[0]} and {second} for one of {extents[1]}."


def terms_are_finite_scalars(subject: Subject) -> str:
    """The terms are those of `loss_weights`, each a finite number."""
    return _wrong_terms(subject, subject.losses(subject.method(), subject.batch(subject.settings.batch)))


def a_batch_of_one_works(subject: Subject) -> str:
    """The same for a batch of a single sample."""
    return _wrong_terms(subject, subject.losses(subject.method(), subject.batch(1)))


def bf16_is_finite(subject: Subject) -> str:
    """The same under bfloat16 autocast."""
    with torch.autocast("cpu", torch.bfloat16):
        return _wrong_terms(subject, subject.losses(subject.method(), subject.batch(subject.settings.batch)))


def _wrong_terms(subject: Subject, losses: Losses) -> str:
    weights = subject.settings.loss_weights
    if losses.keys() != weights.keys():
        return f"forward returned the terms {sorted(losses)}, loss_weights has {sorted(weights)}; make them equal."
    wrong = [name for name, loss in losses.items() if loss.dim() or not math.isfinite(loss.item())]
    return f"term '{wrong[0]}' is {losses[wrong[0]].detach()}, expected a finite scalar." if wrong else ""


def needed_weights_take_gradients(subject: Subject) -> str:
    """Every weight of the parts that the method needs gets a gradient that is not zero."""
    method = subject.method()
    batch = subject.batch(subject.settings.batch)
    weighted_sum(subject.losses(method, batch), subject.settings.loss_weights).backward()
    idle = sorted(_idle(method.backbone, method.needs))
    return f"{len(idle)} weights of the backbone take no gradient, the first is {idle[0]}." if idle else ""


def _idle(backbone: Backbone, needs: frozenset[str]) -> Iterator[str]:
    for part in needs & backbone.parts().keys():
        for name, weight in backbone.parts()[part].named_parameters():
            if weight.grad is None or not weight.grad.any():
                yield f"{part}.{name}"


def it_learns(subject: Subject) -> str:
    """On one fixed batch, without warm-up and with frozen queues, the last steps lie below the first."""
    settings, method = subject.settings, subject.method()
    batch, optimiser = subject.batch(settings.batch), make_optimiser(parameter_groups(method), settings.optimiser)
    totals = []
    for _ in range(_LEARNING_STEPS):
        method.before_step(subject.progress())
        optimiser.zero_grad()
        total = weighted_sum(subject.losses(method, batch), settings.loss_weights)
        total.backward()
        optimiser.step()
        totals.append(total.item())
    first, last = np.mean(totals[:_COMPARED_STEPS]), np.mean(totals[-_COMPARED_STEPS:])
    return (
        "" if last < first else f"the loss went from {first:.4f} to {last:.4f} in {_LEARNING_STEPS} steps on one batch."
    )


def equal_seeds_give_equal_losses(subject: Subject) -> str:
    """Two runs of the engine's loop from one seed log the same losses."""
    first, second = (subject.train(subject.method(), steps=2) for _ in range(2))
    return "" if first == second else f"two runs of one seed logged {first[-1]} and {second[-1]}."


def state_round_trips(subject: Subject) -> str:
    """A trained method's state, teachers and queues included, loads into a fresh one, which then goes on the same."""
    trained, fresh = subject.method(), subject.method(seed=_SEED + 1)
    subject.train(trained, steps=2)
    fresh.load_state_dict(trained.state_dict(), strict=True)
    batch = subject.batch(subject.settings.batch)
    for method in (trained, fresh):
        method.before_step(subject.progress())
    ours, theirs = (
        {name: loss.item() for name, loss in subject.losses(method, batch).items()} for method in (trained, fresh)
    )
    return (
        ""
        if ours == theirs
        else f"the terms were {ours} and after loading the state {theirs}; register what is missing."
    )


def published_backbone_loads(subject: Subject) -> str:
    """The published weights load into a fresh backbone, every tensor, and give equal features."""
    published, fresh = subject.method().published_backbone().eval(), subject.backbone().eval()
    path = subject.scratch / paths.BACKBONE
    publish(published, path)
    origins = load_pretrained(fresh, path)
    if set(origins.values()) != {"pretrained"}:
        return f"the published backbone lacks parts that the method needs: {origins}."
    volume = torch.randn(1, 1, *subject.settings.crop, generator=torch.Generator().manual_seed(_SEED))
    with torch.no_grad():
        pairs = zip(published.trunk(volume), fresh.trunk(volume), strict=True)
        return "" if all(torch.equal(a, b) for a, b in pairs) else "the loaded trunk gives other features."


PRETEXT_CHECKS: dict[str, Callable[[Subject], str]] = {
    "views_pure": views_are_pure,
    "views_picklable": views_are_picklable,
    "views_shapes": views_have_one_shape,
    "terms": terms_are_finite_scalars,
    "batch_of_one": a_batch_of_one_works,
    "bf16": bf16_is_finite,
    "gradients": needed_weights_take_gradients,
    "learning": it_learns,
    "same_seed": equal_seeds_give_equal_losses,
    "state_dict": state_round_trips,
    "published_backbone": published_backbone_loads,
}
"""By the name under which a card declares an exception."""
