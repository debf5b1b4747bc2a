"""The device of a run. On CPU, threads and deterministic kernels are fixed, so that equal seeds give equal bytes."""

import torch

from voxelbench.errors import ConfigError


def prepare_device(name: str, threads: int) -> torch.device:
    """Return the device and set torch's threads. Raises ConfigError if a GPU is asked for and none is there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "this budget runs on a GPU (`device: cuda`) and torch sees none; use another budget, or a GPU node."
        )
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(name == "cpu")
    return torch.device(name)
