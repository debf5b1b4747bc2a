"""The loss terms of Alice. No term is weighted."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional


class Temperatures(NamedTuple):
    """What scores are divided by before they become distributions: tau_t and tau_s."""

    teacher: float
    student: float


def cross_entropy(teacher: Tensor, student: Tensor, centre: Tensor, tau: Temperatures) -> Tensor:
    """Mean H(p, q) = -sum p log q of scores (..., K), p = softmax((t - c) / tau_t), q = softmax(s / tau_s).

    On CASA's tokens, both of one view, it is L_patch.
    """
    target = ((teacher - centre) / tau.teacher).softmax(-1)
    return -(target * (student / tau.student).log_softmax(-1)).sum(-1).mean()


def cross_view(teacher: Tensor, student: Tensor, centre: Tensor, tau: Temperatures) -> Tensor:
    """L_cls: cross-entropy of scores (B, 2, K), the teacher's of one view against the student's of the other."""
    return cross_entropy(teacher, student.flip(1), centre, tau)


def reconstruction(prediction: Tensor, crops: Tensor) -> Tensor:
    """L_rec: half the mean squared error over all voxels of both views, hidden or not, as released."""
    return functional.mse_loss(prediction, crops) / 2
