"""What all processes of a run computed, in every one of them."""

import torch
from torch import Tensor, distributed


def rows_of_all_processes(rows: Tensor) -> Tensor:
    """Return the rows (N, ...) of all processes, in the order of their ranks. Every process calls it with equal N."""
    if not distributed.is_available() or not distributed.is_initialized():
        return rows
    gathered = [
        torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(distributed.get_world_size())
    ]
    distributed.all_gather(gathered, rows.contiguous())
    return torch.cat(gathered)
