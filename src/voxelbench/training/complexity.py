"""What a network costs: its parameters, and the floating-point operations of one forward pass."""

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from voxelbench.method import Progress
from voxelbench.settings import Training
from voxelbench.training.sampling import Samples, batches


def measure(network: nn.Module, in_channels: int, crop: Sequence[int]) -> dict[str, int]:
    """Return the number of parameters, of those that train, and the operations for one crop (1, in_channels, *crop).

    Operations are those of matrix products, attention and convolutions, as torch's counter has them: a multiplication
    and an addition are two.
    """
    was_training, device = network.training, next(network.parameters()).device
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        network.eval()(torch.zeros(1, in_channels, *crop, device=device))
    network.train(was_training)
    return {**count_parameters(network), "flops_per_crop": counter.get_total_flops()}


def count_parameters(network: nn.Module) -> dict[str, int]:
    """Return the number of parameters, and of those that train."""
    parameters = list(network.parameters())
    return {
        "n_parameters": sum(parameter.numel() for parameter in parameters),
        "n_trained_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
    }


def of_training(flops_per_forward: int, settings: Training) -> dict[str, int]:
    """Return the steps of a training and the operations of one, from those of the forward pass of a micro-batch.

    A backward pass counts as two forward passes, also where it is not run through all of a network.
    """
    return {"n_steps": settings.steps, "flops_per_step": 3 * settings.accumulate * flops_per_forward}


def count_forward(learner: nn.Module, samples: Samples, total: int, device: torch.device) -> dict[str, int]:
    """Return the operations of one forward pass over the first micro-batch; a copy does it, and `learner` stays."""
    twin = copy.deepcopy(learner).to(device)
    batch = {name: array.to(device) for name, array in next(batches(samples, [0], workers=0)).items()}
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        twin(batch, Progress(0, total, samples.seed, micro_batch=0))
    return {"flops_per_forward": counter.get_total_flops()}
