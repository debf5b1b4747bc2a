"""The contract of an external method: a tool that plans, trains and predicts by itself, on our cases and our splits.

A plug-in `methods/<name>/external.py` defines

    class Config(Strict)                                names, types and bounds of its settings
    class External(voxelbench.external.External)        prepare, train, predict

The engine gives it cases, keeps what it answers, and scores the answers as those of every other method.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from voxelbench.data.case import Case
from voxelbench.evaluate.labels import Classes
from voxelbench.validation import Strict

__all__ = ["Case", "Classes", "External", "ExternalJob"]


@dataclass(frozen=True)
class ExternalJob:
    """What one run asks of an external method. Cases lie on the native grid, in RAS, in physical units.

    `classes` are native label values by the name of the class; where they are not `is_exclusive`, they overlap.
    `folder` is the method's alone: what it leaves there is found again after an interruption, and deleted at the end.
    """

    training: tuple[Case, ...]
    validation: tuple[Case, ...]
    testing: tuple[Case, ...]
    inputs: tuple[str, ...]
    classes: Classes
    is_exclusive: bool
    settings: Strict
    seed: int
    device: Literal["cpu", "cuda"]
    threads: int
    workers: int
    folder: Path


class External(ABC):
    """Base of every external method. The three steps come in order, each once; a step that was cut off comes again."""

    def __init__(self, job: ExternalJob) -> None:
        self.job = job

    @abstractmethod
    def prepare(self) -> None:
        """Bring the cases into the tool's own form; the test cases are none of its business."""

    @abstractmethod
    def train(self) -> Mapping[str, Any]:
        """Train, or go on, or load what is trained; return what the run's record shall say of it, by name."""

    @abstractmethod
    def predict(self, case: Case) -> np.ndarray:
        """Return the label map of a test case: native label values, integers (X, Y, Z) on the grid of the case."""
