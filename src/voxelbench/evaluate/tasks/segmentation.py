"""Segmentation: exclusive labels by softmax, or overlapping regions by sigmoid; scored by Dice.

The rule for empty masks, the same everywhere: a class that neither the reference nor the prediction has gives no
value; a class that only the prediction has gives 0. A case's Dice is the mean over its classes with a value.
"""

import numpy as np
import torch
from monai.losses import DiceLoss
from monai.metrics import compute_dice
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.cards import DatasetCard, TaskCard
from voxelbench.data.case import Case
from voxelbench.data.crops import foreground_start, random_start, read_label_crop
from voxelbench.data.flips import flip
from voxelbench.data.loading import read_scaled, read_scaled_crop
from voxelbench.evaluate.labels import class_masks, task_classes
from voxelbench.evaluate.rows import Row
from voxelbench.evaluate.task import Task, slide
from voxelbench.method import Batch, Losses, Views
from voxelbench.recipes import SegmentationRecipe


class Segmentation(Task):
    """Classes are the task's labels, or the dataset's regions where its card has some."""

    recipe: SegmentationRecipe

    def __init__(self, dataset: DatasetCard, task: TaskCard, recipe: SegmentationRecipe) -> None:
        super().__init__(dataset, task, recipe)
        self.classes = task_classes(dataset, task)
        self.is_exclusive = not dataset.regions

    @property
    def out_channels(self) -> int:
        """One channel a class, and one for the background where classes exclude each other."""
        return len(self.classes) + int(self.is_exclusive)

    def masks(self, label: np.ndarray) -> np.ndarray:
        """Return bool (classes, X, Y, Z) from a map of native label values (X, Y, Z)."""
        return class_masks(label, self.classes)

    def views(self, case: Case, rng: np.random.RandomState) -> Views:
        """Draw a crop, centred on a voxel of a class with probability `foreground_share`."""
        size = self.recipe.crop
        if rng.uniform() < self.recipe.foreground_share:
            start = foreground_start(self._indices(case.label()), case.shape, size, rng)
        else:
            start = random_start(case.shape, size, rng)
        image = read_scaled_crop(case, self.task.inputs, self.recipe.intensity, start, size)
        masks = self.masks(read_label_crop(case, start, size))
        image, masks = flip([image, masks], self.recipe.flip_probability, rng)
        return {"image": image, "masks": masks}

    def _indices(self, label: np.ndarray | None) -> np.ndarray:
        """Return a map where each class of the task has its own number; of overlapping regions the last one shows."""
        numbers = np.zeros(256, np.uint8)
        for number, values in enumerate(self.classes.values(), start=1):
            numbers[list(values)] = number
        return numbers[label]

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """Soft Dice and cross-entropy (binary cross-entropy for overlapping regions)."""
        output, masks = network(batch["image"]), batch["masks"].float()
        if not self.is_exclusive:
            dice = DiceLoss(sigmoid=True)(output, masks)
            return {"dice": dice, "ce": functional.binary_cross_entropy_with_logits(output, masks)}
        background = 1.0 - masks.amax(1, keepdim=True)
        onehot = torch.cat([background, masks], 1)
        weights = class_weights(onehot, self.recipe.class_balance)
        cross_entropy = functional.cross_entropy(output, onehot.argmax(1), weights)
        return {"dice": DiceLoss(softmax=True)(output, onehot), "ce": cross_entropy}

    def predict(self, network: nn.Module, case: Case, device: torch.device) -> dict[str, np.ndarray]:
        """Return the predicted masks, bool (classes, X, Y, Z)."""
        output = slide(network, read_scaled(case, self.task.inputs, self.recipe.intensity), self.recipe, device)
        if not self.is_exclusive:
            return {"masks": output > 0}
        winner = output.argmax(0)
        return {"masks": np.stack([winner == index for index in range(1, self.out_channels)])}

    def score(self, prediction: dict[str, np.ndarray], case: Case) -> list[Row]:
        """Return Dice for each class that the reference or the prediction has."""
        reference = self.masks(case.label())  # type: ignore[arg-type]
        dice = compute_dice(_one_case(prediction["masks"]), _one_case(reference), ignore_empty=False)[0].tolist()
        return [
            self.row(case, name, "dice", value, int(truth.sum()))
            for name, value, truth, answer in zip(self.classes, dice, reference, prediction["masks"], strict=True)
            if truth.any() or answer.any()
        ]


def class_weights(onehot: Tensor, balance: float) -> Tensor:
    """Return (K,) weights, share ** -balance of each class of a batch (B, K, X, Y, Z); 0 for a class that is absent."""
    share = onehot.mean((0, 2, 3, 4))
    return torch.where(share > 0, share.clamp(min=1e-9) ** -balance, 0.0)


def _one_case(masks: np.ndarray) -> Tensor:
    return torch.from_numpy(masks)[None].float()
