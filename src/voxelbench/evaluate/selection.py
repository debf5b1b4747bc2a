"""Selection: which weights of a finetuning run are tested. Validation cases decide, not the test cases."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from voxelbench.atomic import written_whole

logger = logging.getLogger(__name__)

VALIDATION = "validation"
"""The column of `losses.csv` with the scores that weights are selected by; empty where none was taken."""


class Selector:
    """Scores the network every so many steps and at the end, and keeps the weights of the best step in a file.

    Of equal scores the later one wins: with a handful of cases an accuracy ties often, and training goes on to help.
    A run that is resumed scores some steps again; equal weights give equal scores, so it selects what an uninterrupted
    run selects.
    """

    def __init__(
        self, path: Path, identity: str, network: nn.Module, score: Callable[[nn.Module], float], every: int, total: int
    ) -> None:
        self.path = path
        self.identity = identity
        self.network = network
        self.score = score
        self.every = every
        self.total = total
        self.best = self._resume()

    def at_step(self, step: int) -> dict[str, float]:
        """Score the weights after `step` steps, if it is their turn, and keep them if none were better."""
        if step % self.every and step != self.total:
            return {}
        self.network.eval()
        value = self.score(self.network)
        self.network.train()
        if (value, step) >= self.best:
            self.best = value, step
            state = {"identity": self.identity, "best": self.best, "network": self.network.state_dict()}
            with written_whole(self.path) as partial:
                torch.save(state, partial)
        return {VALIDATION: value}

    def restore(self) -> int:
        """Put the selected weights into the network and return their step."""
        self.network.load_state_dict(self._read()["network"])
        return self.best[1]

    def _read(self) -> dict[str, Any]:
        return torch.load(self.path, map_location="cpu", weights_only=True)

    def _resume(self) -> tuple[float, int]:
        """Return the best score and its step so far; a file that is damaged or of another run counts for nothing."""
        if self.path.exists():
            try:
                state = self._read()
                if state["identity"] == self.identity:
                    return state["best"]
            except Exception as error:  # a damaged file can fail in any layer of the unpickler
                logger.warning("%s cannot be read (%s); selection starts anew.", self.path, type(error).__name__)
        return float("-inf"), 0
