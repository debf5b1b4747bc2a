"""The contract of a pretext method: `views -> forward -> losses`. Everything else belongs to the engine.

A plug-in `methods/<name>/method.py` defines

    class Config(MethodConfig)                                    names, types and bounds of its settings
    def views(cases, config, rng) -> Views                        draws what one training sample needs
    class Method(voxelbench.method.Method)                        holds the networks, returns unweighted loss terms

and holds no device, path, optimiser, print or global randomness.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from voxelbench.encoders.backbone import Backbone
from voxelbench.settings import MethodConfig

__all__ = ["Losses", "Method", "MethodConfig", "ParameterGroup", "Progress", "Views", "decay_groups"]

Views = dict[str, np.ndarray]
"""What `views` draws for one sample: named arrays. The engine collates them into tensors with a leading batch axis."""

Batch = dict[str, Tensor]
Losses = dict[str, Tensor]
"""Named scalar terms, unweighted; the keys are those of `loss_weights`."""


@dataclass(frozen=True)
class Progress:
    """The only clock of a method, and the only source of draws for a whole batch.

    A step is made of micro-batches, one a forward. `micro_batch` is the number of this one in its step, None in the
    hooks, which run once a step. What is drawn depends on it, not on which process computes the micro-batch.
    """

    step: int
    total: int
    seed: int
    micro_batch: int | None = None

    @property
    def fraction(self) -> float:
        """Share of the training that is done, from 0 to below 1."""
        return self.step / self.total

    @cached_property
    def rng(self) -> np.random.RandomState:
        """Random state of this forward or hook: a function of seed, step and micro-batch, so a resumed run draws it."""
        return step_rng(self.seed, self.step, _NO_SAMPLE + (0 if self.micro_batch is None else 1 + self.micro_batch))


# From here on the third word of a random state numbers a step and its micro-batches; below it, samples.
_NO_SAMPLE = 2**31


def step_rng(seed: int, step: int, index: int | None = None) -> np.random.RandomState:
    """Return the random state of a step, or of one sample (`index`) of a step, whatever worker draws it."""
    words = (seed, step) if index is None else (seed, step, index)
    return np.random.RandomState(np.random.SeedSequence(words).generate_state(4))


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are trained with their own multiple of the learning rate or weight decay, or without clipping."""

    parameters: tuple[nn.Parameter, ...]
    lr_scale: float = 1.0
    weight_decay_scale: float = 1.0
    clipped: bool = True


def decay_groups(
    named: Iterable[tuple[str, nn.Parameter]], decays: Callable[[str, nn.Parameter], bool], *, clipped: bool = True
) -> list[ParameterGroup]:
    """Return two groups of the named parameters that take a gradient: those that decay, and those that do not."""
    trained = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    decayed = tuple(parameter for name, parameter in trained if decays(name, parameter))
    free = tuple(parameter for name, parameter in trained if not decays(name, parameter))
    return [ParameterGroup(decayed, clipped=clipped), ParameterGroup(free, weight_decay_scale=0.0, clipped=clipped)]


class Method(nn.Module):
    """Base of every pretext method. `needs` names the parts of the backbone that it pretrains."""

    needs: frozenset[str] = frozenset({"trunk"})

    def __init__(self, backbone: Backbone, config: MethodConfig) -> None:
        super().__init__()
        self.backbone = backbone
        self.config = config

    def forward(self, views: Batch, progress: Progress) -> Losses:
        """Return the loss terms of one micro-batch, each a finite scalar, unweighted."""
        raise NotImplementedError

    def before_step(self, progress: Progress) -> None:
        """Run once before an optimiser step, at step 0 too, e.g. an EMA that runs ahead of the forward."""

    def after_step(self, progress: Progress) -> None:
        """Run once after an optimiser step, e.g. an EMA or a queue that follows it."""

    def published_backbone(self) -> Backbone:
        """Return the backbone that tasks load: the trained one unless a method says otherwise."""
        return self.backbone

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return what the optimiser trains: every parameter that takes a gradient."""
        return [ParameterGroup(tuple(self._trained()))]

    def _trained(self) -> Iterator[nn.Parameter]:
        return (parameter for parameter in self.parameters() if parameter.requires_grad)


BEFORE_TRAINING = 2**31
"""The step that stands for the drawing of initial weights; no run is that long."""


def seed_torch(seed: int, step: int, micro_batch: int = 0) -> None:
    """Seed torch's own generators for one micro-batch, so that dropout and the like resume to the same bytes."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step, 1, micro_batch)).generate_state(1)[0]))
