"""A first-in, first-out memory of features, the negatives of a contrastive loss (He et al. 2020, "MoCo")."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.nn.gather import rows_of_all_processes


class FeatureQueue(nn.Module):
    """`length` rows of `channels` features, at first random directions of norm 1. Part of the state dict."""

    rows: Tensor
    pointer: Tensor

    def __init__(self, length: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("rows", functional.normalize(torch.randn(length, channels), dim=1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def enqueue(self, rows: Tensor) -> None:
        """Overwrite the oldest rows with `rows` (N, channels), those of all processes in the order of their ranks.

        Every process calls it, with equally many rows, and all queues stay equal: that of one process which computed
        all micro-batches of the step. Called once a step, after it.

        Raises:
            ValueError: the rows of all processes are more than `length`.
        """
        rows, length = rows_of_all_processes(rows.to(self.rows.dtype)), len(self.rows)
        if len(rows) > length:
            raise ValueError(f"{len(rows)} rows do not fit into a queue of {length}")
        places = (self.pointer + torch.arange(len(rows), device=self.rows.device)) % length
        self.rows[places] = rows
        self.pointer.copy_((self.pointer + len(rows)) % length)
