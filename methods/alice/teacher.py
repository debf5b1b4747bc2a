"""The teacher: how it starts, and what of it changes during training."""

from typing import Literal

from pydantic import Field
from torch import nn

from voxelbench.encoders.backbone import Backbone
from voxelbench.nn.ema import follow, teacher_of
from voxelbench.training.schedule import half_cosine
from voxelbench.validation import Strict

from .head import Head


class Teaching(Strict):
    """Settings of the teacher.

    It compares its tokens with the `prototypes` of whole crops (`shared`), or with `own` ones. The `buffers` of its
    backbone are its `own` draw, or `copied` from the student. `momentum` goes to 1 along half a cosine; `temperature`
    from its first value to its last over `temperature_epochs`.
    """

    prototypes: Literal["shared", "own"]
    buffers: Literal["own", "copied"]
    momentum: float = Field(ge=0, le=1)
    temperature: tuple[float, float]
    temperature_epochs: int = Field(gt=0)

    def momentum_after(self, fraction: float) -> float:
        """Return the momentum of the EMA at a share of the training, from 0 to below 1."""
        return half_cosine(self.momentum, 1.0, fraction)

    def temperature_in(self, epoch: int) -> float:
        """Return tau_t of an epoch: linear, both ends of the first `temperature_epochs` included."""
        first, last = self.temperature
        return first + (last - first) * min(epoch / max(self.temperature_epochs - 1, 1), 1.0)


def new_teacher(backbone: Backbone, head: Head, config: Teaching) -> nn.ModuleDict:
    """Return `backbone` and `head` that start as the student's, but for what the settings except, without gradient."""
    copy = teacher_of(head)
    if config.prototypes == "shared":
        copy.last_layer = copy.last_layer2  # released: it starts as the student's last_layer2 and follows last_layer
    if config.buffers == "copied":
        return nn.ModuleDict({"backbone": teacher_of(backbone), "head": copy})
    drawn = backbone.rebuild().requires_grad_(False)
    follow(drawn, backbone, momentum=0.0)
    return nn.ModuleDict({"backbone": drawn, "head": copy})
