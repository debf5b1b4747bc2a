"""A teacher that follows its student as an exponential moving average (EMA)."""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def teacher_of(student: Module) -> Module:
    """Return a copy of `student` that takes no gradient."""
    return deepcopy(student).requires_grad_(False)


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move the teacher's parameters to momentum * teacher + (1 - momentum) * student, by name; buffers stay.

    The student may have parameters that the teacher lacks. Raises KeyError for one that the student lacks.
    """
    followed = dict(student.named_parameters())
    for name, old in teacher.named_parameters():
        old.mul_(momentum).add_(followed[name], alpha=1 - momentum)
