"""The contract of a task, and the learner that the training loop drives."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch import nn

from voxelbench.cards import DatasetCard, TaskCard
from voxelbench.data.augment import flip, jitter, turn
from voxelbench.data.case import Case
from voxelbench.encoders.backbone import Backbone
from voxelbench.evaluate.examples import Example
from voxelbench.evaluate.networks import DenseNetwork
from voxelbench.evaluate.rows import Row, Space
from voxelbench.method import Batch, Losses, Progress, Views
from voxelbench.recipes import DenseRecipe

Prediction = dict[str, np.ndarray]
"""A network's answers for one case, by name."""


class Task(ABC):
    """What is drawn from a case, which network answers, how it is trained, and how the answer is scored."""

    parts: ClassVar[frozenset[str]] = DenseNetwork.parts

    def __init__(self, dataset: DatasetCard, task: TaskCard, recipe: Any) -> None:
        self.dataset = dataset
        self.task = task
        self.recipe = recipe

    @property
    def in_channels(self) -> int:
        """Number of channels that the network reads."""
        return len(self.task.inputs)

    @property
    @abstractmethod
    def out_channels(self) -> int:
        """Number of channels, or classes, that the network answers with."""

    def network(self, backbone: Backbone) -> nn.Module:
        """Return the network that answers, around a backbone with the task's `parts`."""
        return DenseNetwork(backbone, self.out_channels)

    @abstractmethod
    def views(self, case: Case, rng: np.random.RandomState) -> Views:
        """Draw one training sample of a case."""

    def augment(
        self, image: np.ndarray, others: list[np.ndarray], rng: np.random.RandomState
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Flip and turn an image and what belongs to its voxels alike, as the recipe says; jitter its intensity."""
        recipe = self.recipe
        image, *others = turn(flip([image, *others], recipe.flip_probability, rng), recipe.turn_probability, rng)
        return jitter(image, recipe.intensity_scale, recipe.intensity_shift, rng), others

    def draw(self, cases: tuple[Case, ...], rng: np.random.RandomState) -> Views:
        """Draw one training sample of a group of one case."""
        return self.views(cases[0], rng)

    @abstractmethod
    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """Return the unweighted loss terms of a batch."""

    @abstractmethod
    def predict(self, network: nn.Module, case: Case, device: torch.device) -> Prediction:
        """Return the network's answers for a case."""

    @abstractmethod
    def score(self, prediction: Prediction, case: Case) -> list[Row]:
        """Score one prediction."""

    @abstractmethod
    def example(self, prediction: Prediction, case: Case) -> Example:
        """Return one axial slice of a case and of what was predicted for it, for a person to look at."""

    def validate(self, prediction: Prediction, case: Case) -> list[Row]:
        """Return the rows that select weights: the headline metric, by default among all others."""
        return self.score(prediction, case)

    def row(self, case: Case, item: str, metric: str, value: float, n_voxels: int = 0, space: Space = "grid") -> Row:
        """Return one row about a case."""
        return Row(case.case_id, case.patient_id, item, metric, value, n_voxels, space)


class TaskLearner(nn.Module):
    """A task's network as the training loop sees it."""

    def __init__(self, task: Task, network: nn.Module) -> None:
        super().__init__()
        self.task = task
        self.network = network

    def forward(self, batch: Batch, _progress: Progress) -> Losses:
        """Return the loss terms of a batch."""
        return self.task.losses(self.network, batch)


def slide(network: nn.Module, volume: np.ndarray, recipe: DenseRecipe, device: torch.device) -> np.ndarray:
    """Predict (C_out, X, Y, Z) for a whole volume (C, X, Y, Z) by a sliding window of the recipe's crop."""
    with torch.inference_mode():
        batch = torch.from_numpy(volume)[None].to(device)
        # A volume shorter than the crop is continued by its edge, as crops are in training.
        output = sliding_window_inference(
            batch, recipe.crop, 2, network, recipe.overlap, recipe.blend, padding_mode="replicate"
        )
    return output[0].float().cpu().numpy()
