"""The centre that is taken off a teacher's scores, against collapse (Caron et al. 2021, "DINO", equation 4)."""

import torch
from torch import Tensor, nn

from voxelbench.nn.gather import rows_of_all_processes


class Centre(nn.Module):
    """Running mean (K,) of a teacher's scores, at first 0. Part of the state dict.

    A forward gives it the scores of one micro-batch; it moves once a step, by those of all micro-batches, whichever
    process computed them.
    """

    value: Tensor

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(channels))
        self._means: list[Tensor] = []

    def observe(self, scores: Tensor) -> None:
        """Remember the scores (..., K) of one micro-batch; all have equally many."""
        self._means.append(scores.detach().float().flatten(0, -2).mean(0))

    def update(self) -> None:
        """Move by what was observed: c = m c + (1 - m) mean. Every process calls it."""
        mean = rows_of_all_processes(torch.stack(self._means)).mean(0)
        self.value.mul_(self.momentum).add_(mean, alpha=1 - self.momentum)
        self._means.clear()
