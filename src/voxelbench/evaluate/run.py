"""An evaluation run, by its protocol."""

from collections.abc import Callable

from voxelbench.evaluate.finetune import finetune
from voxelbench.evaluate.probe import probe
from voxelbench.runs import EvalRun, Protocol

PROTOCOLS: dict[Protocol, Callable[[EvalRun], None]] = {"finetune": finetune, "token_probe": probe}


def evaluate(run: EvalRun) -> None:
    """Do one evaluation run and write its folder."""
    PROTOCOLS[run.protocol](run)
