"""The state of a run between two steps: written whole or not at all, read without executing anything."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from voxelbench.atomic import written_whole
from voxelbench.errors import TrainingError

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
    """Load a checkpoint of the same run and return (next step, log); start at 0 if there is none, or another run's.

    Raises TrainingError if it is of this run and does not fit: the code was changed in between.
    """
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
    try:
        learner.load_state_dict(state["learner"])
        optimiser.load_state_dict(state["optimiser"])
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise TrainingError(
            f"{path}: is of this run, but its tensors do not fit the code as it is now ({reason}); go back to the code "
            f"that wrote it, or move the file away to start from step 0."
        ) from None
    logger.info("resuming at step %d", state["step"])
    return state["step"], state["log"]
