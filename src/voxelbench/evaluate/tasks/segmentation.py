"""Segmentation: exclusive labels by softmax, or overlapping regions by sigmoid; scored by overlap and surface.

Scores are taken on the grid that the network reads, where released code stops, and on the scanner's own, onto which the
probabilities are resampled linearly. `evaluate.metrics.masks` has the rule for empty masks. A case's score is the mean
over its classes with a value.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from monai.losses import DiceLoss
from scipy.special import expit, softmax
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.cards import DatasetCard, TaskCard
from voxelbench.data.case import Case
from voxelbench.data.crops import foreground_start, random_start, read_label_crop
from voxelbench.data.grid import onto
from voxelbench.data.loading import read_scaled, read_scaled_crop
from voxelbench.evaluate.examples import Example, fullest, grey, most_telling, painted, thin
from voxelbench.evaluate.labels import answered_masks, class_masks, task_classes
from voxelbench.evaluate.metrics.masks import mask_scores
from voxelbench.evaluate.metrics.overlap import dice, false_negative_ml, false_positive_ml
from voxelbench.evaluate.rows import Row, Space
from voxelbench.evaluate.task import Prediction, Task, slide
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
        image, (masks,) = self.augment(image, [masks], rng)
        return {"image": image, "masks": masks}

    def _indices(self, label: np.ndarray | None) -> np.ndarray:
        """Return a map where each class of the task has its own number; of overlapping regions the last one shows."""
        numbers = np.zeros(256, np.uint8)
        for number, values in enumerate(self.classes.values(), start=1):
            numbers[list(values)] = number
        return numbers[label]

    def example(self, prediction: Prediction, case: Case) -> Example:
        """Return the slice with most truth, as the network sees it."""
        probabilities = prediction["probabilities"]
        return self.slice_of(case, lambda z: answered_masks(probabilities[..., z], self.is_exclusive))

    def slice_of(self, case: Case, answer: Callable[[int], np.ndarray]) -> Example:
        """Return the slice with most truth; `answer` gives the masks (classes, X, Y) of a slice."""
        truth = self._indices(case.label())
        z = fullest(truth > 0)
        truth = truth[..., z]
        image = read_scaled_crop(case, self.task.inputs, self.recipe.intensity, (0, 0, z), (*case.shape[:2], 1))[..., 0]
        panels = {"image": grey(most_telling(image, truth > 0)), "truth": truth, "answer": painted(answer(z))}
        return Example(case.case_id, {name: thin(panel) for name, panel in panels.items()})

    def validate(self, prediction: Prediction, case: Case) -> list[Row]:
        """Return the Dice of each class on the grid."""
        answers = answered_masks(prediction["probabilities"], self.is_exclusive)
        return [
            self.row(case, name, "dice", dice(answer, truth), int(truth.sum()))
            for name, answer, truth in self._pairs(answers, case)
        ]

    def score(self, prediction: Prediction, case: Case) -> list[Row]:
        """Return Dice, distances of surfaces and, of lesions, the volumes invented and missed; on both grids."""
        rows, native = self._scores(prediction["probabilities"], case, "grid"), case.native
        if native is None:
            return rows
        seen = (onto(each, case.affine, native.shape, native.affine) for each in prediction["probabilities"])
        return rows + self._scores(seen, native, "native")

    def _scores(self, probabilities: Iterable[np.ndarray], case: Case, space: Space) -> list[Row]:
        return self.mask_rows(answered_masks(probabilities, self.is_exclusive), case, space)

    def mask_rows(self, answers: np.ndarray, case: Case, space: Space) -> list[Row]:
        """Score masks (classes, X, Y, Z) that lie on the grid of their case."""
        return [row for each in self._pairs(answers, case) for row in self._class_rows(*each, case, space)]

    def _pairs(self, answers: np.ndarray, case: Case) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield the name, the predicted and the true mask (X, Y, Z) of each class."""
        yield from zip(self.classes, answers, self.masks(case.label()), strict=True)  # type: ignore[arg-type]

    def _class_rows(self, name: str, answer: np.ndarray, truth: np.ndarray, case: Case, space: Space) -> list[Row]:
        scores = mask_scores(answer, truth, case.spacing_mm, self.recipe.surface_tolerance_mm)
        if self.recipe.lesion_volumes:
            scores["false_positive_ml"] = false_positive_ml(answer, truth, case.spacing_mm)
            scores["false_negative_ml"] = false_negative_ml(answer, truth, case.spacing_mm)
            if truth.any():
                scores["dice_with_lesion"] = scores["dice"]
        return [self.row(case, name, metric, value, int(truth.sum()), space) for metric, value in scores.items()]

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

    def predict(self, network: nn.Module, case: Case, device: torch.device) -> Prediction:
        """Return the probability of each output, float32 (C, X, Y, Z)."""
        output = slide(network, read_scaled(case, self.task.inputs, self.recipe.intensity), self.recipe, device)
        return {"probabilities": softmax(output, 0) if self.is_exclusive else expit(output)}


def class_weights(onehot: Tensor, balance: float) -> Tensor:
    """Return (K,) weights, share ** -balance of each class of a batch (B, K, X, Y, Z); 0 for a class that is absent."""
    share = onehot.mean((0, 2, 3, 4))
    return torch.where(share > 0, share.clamp(min=1e-9) ** -balance, 0.0)
