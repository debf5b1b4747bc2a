"""Translation: one contrast in, all contrasts out; scored on the pairs whose target is not the input."""

import numpy as np
import torch
from torch import nn

from voxelbench.data.case import Case
from voxelbench.data.crops import cut, random_start
from voxelbench.data.intensity import scale
from voxelbench.data.loading import read_scaled
from voxelbench.evaluate.examples import Example, fullest, image_panels
from voxelbench.evaluate.metrics.image_quality import quality
from voxelbench.evaluate.metrics.upstream_translation import upstream_quality
from voxelbench.evaluate.rows import Row
from voxelbench.evaluate.task import Prediction, Task, slide
from voxelbench.method import Batch, Losses, Views
from voxelbench.recipes import TranslationRecipe
from voxelbench.settings import IntensityRule


class Translation(Task):
    """The mask is made from the input, so that no part of the target leaks into the score."""

    recipe: TranslationRecipe

    @property
    def in_channels(self) -> int:
        """One contrast at a time."""
        return 1

    @property
    def out_channels(self) -> int:
        """All contrasts of the card, the input's own too."""
        return len(self.task.target)

    def views(self, case: Case, rng: np.random.RandomState) -> Views:
        """Draw the input contrast and a crop."""
        source = self.task.inputs[rng.randint(len(self.task.inputs))]
        start = random_start(case.shape, self.recipe.crop, rng)
        volume = case.read([source])
        whole = (
            scale(volume, self.recipe.intensity),
            read_scaled(case, self.task.target, self.recipe.intensity),
            volume != 0,
        )
        image, target, brain = (cut(each, start, self.recipe.crop) for each in whole)
        image, (target, mask) = self.augment(image, [target, brain], rng)
        return {"image": image, "target": target, "mask": mask}

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """Mean squared error inside the brain, summed over it and divided by its size."""
        error = (network(batch["image"]) - batch["target"]).square() * batch["mask"]
        return {"mse": error.sum() / (batch["mask"].sum() * error.shape[1]).clamp(min=1)}

    def predict(self, network: nn.Module, case: Case, device: torch.device) -> Prediction:
        """Return all contrasts (C, X, Y, Z) as predicted from each one."""
        inputs = read_scaled(case, self.task.inputs, self.recipe.intensity)
        return {
            name: slide(network, volume[None], self.recipe, device)
            for name, volume in zip(self.task.inputs, inputs, strict=True)
        }

    def score(self, prediction: Prediction, case: Case) -> list[Row]:
        """Return image quality of each cross pair, and that of the input taken for the target (`*_identity`)."""
        images = read_scaled(case, self.task.inputs, self.recipe.intensity)
        targets = read_scaled(case, self.task.target, self.recipe.intensity)
        rows = self._upstream_rows(prediction, case)
        for source, image in zip(self.task.inputs, images, strict=True):
            brain = _brain(case, source)
            for name, target, predicted in zip(self.task.target, targets, prediction[source], strict=True):
                if name == source:
                    continue
                data_range = float(target[brain].max() - target[brain].min())
                translated, identity = (quality(each, target, brain, data_range) for each in (predicted, image))
                named = {**translated, **{f"{key}_identity": value for key, value in identity.items()}}
                rows += [
                    self.row(case, f"{source}>{name}", key, value, int(brain.sum())) for key, value in named.items()
                ]
        return rows

    def example(self, prediction: Prediction, case: Case) -> Example:
        """Return the slice with most brain, of the first input and the first other contrast.

        Outside of the brain, where nothing is scored, the answer shows the target.
        """
        source = self.task.inputs[0]
        number, name = next((k, each) for k, each in enumerate(self.task.target) if each != source)
        image, target = read_scaled(case, [source, name], self.recipe.intensity)
        brain = _brain(case, source)
        panels = image_panels(image, target, np.where(brain, prediction[source][number], target), fullest(brain))
        return Example(case.case_id, panels, f"{source}>{name}")

    def _upstream_rows(self, prediction: Prediction, case: Case) -> list[Row]:
        """Return the scores of the same pairs as S2DC's released code takes them (`*_upstream`)."""
        targets = read_scaled(case, self.task.target, [IntensityRule(kind="zscore")])
        return [
            self.row(case, f"{source}>{name}", f"{metric}_upstream", value, targets[0].size)
            for source in self.task.inputs
            for name, scores in zip(self.task.target, upstream_quality(prediction[source], targets), strict=True)
            if name != source
            for metric, value in scores.items()
        ]


def _brain(case: Case, contrast: str) -> np.ndarray:
    return case.read([contrast])[0] != 0
