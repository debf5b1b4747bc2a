"""The state of a run between two steps: written whole or not at all, read without executing anything."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from voxelbench.atomic import written_whole

logger = logging.getLogger(__name__)


def save(
    path: Path,
    identity: str,
    step: int,
    learner: nn.Module,
    optimiser: torch.optim.Optimizer,
    log: list[dict[str, float]],
) -> None:
    """Write everything that the steps from `step` on depend on."""
    state = {
        "identity": identity,
        "step": step,
        "learner": learner.state_dict(),
        "optimiser": optimiser.state_dict(),
        "log": log,
    }
    with written_whole(path) as partial:
        torch.save(state, partial)


def resume(
    path: Path, identity: str, learner: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[int, list[dict[str, float]]]:
    """Load a checkpoint of the same run and return (next step, log); start at 0 if there is none, or another run's."""
    if not path.exists():
        return 0, []
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        identities_match = state["identity"] == identity
    except Exception as error:  # a damaged checkpoint can fail in any layer of the unpickler
        logger.warning("%s cannot be read (%s); starting from step 0.", path, type(error).__name__)
        return 0, []
    if not identities_match:
        logger.warning("%s belongs to another configuration of this run; starting from step 0.", path)
        return 0, []
    learner.load_state_dict(state["learner"])
    optimiser.load_state_dict(state["optimiser"])
    logger.info("resuming at step %d", state["step"])
    return state["step"], state["log"]
