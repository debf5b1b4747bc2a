"""Reconstruction: full dose from a reduced dose. The network learns what to add to its input."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from voxelbench.data.case import Case
from voxelbench.data.crops import random_start
from voxelbench.data.loading import read_scaled, read_scaled_crop
from voxelbench.encoders.backbone import Backbone
from voxelbench.evaluate.examples import Example, fullest, image_panels
from voxelbench.evaluate.metrics.image_quality import quality
from voxelbench.evaluate.networks import DenseNetwork
from voxelbench.evaluate.rows import Row
from voxelbench.evaluate.task import Prediction, Task, slide
from voxelbench.method import Batch, Losses, Views
from voxelbench.recipes import ReconstructionRecipe


class Reconstruction(Task):
    """One network for all doses; each dose is scored on its own, next to the score of the input itself."""

    recipe: ReconstructionRecipe

    @property
    def in_channels(self) -> int:
        """One dose at a time."""
        return 1

    @property
    def out_channels(self) -> int:
        """The full dose."""
        return 1

    @property
    def target(self) -> str:
        """The channel that is the reference."""
        return self.task.target[0]

    def network(self, backbone: Backbone) -> nn.Module:
        """Return a network that begins as the identity: its residual is 0 until it learns."""
        return DenseNetwork(backbone, self.out_channels, starts_at_zero=True)

    def views(self, case: Case, rng: np.random.RandomState) -> Views:
        """Draw a dose and a crop."""
        dose = self.task.inputs[rng.randint(len(self.task.inputs))]
        start = random_start(case.shape, self.recipe.crop, rng)
        pair = read_scaled_crop(case, (dose, self.target), self.recipe.intensity, start, self.recipe.crop)
        image, (target,) = self.augment(pair[:1], [pair[1:]], rng)
        return {"image": image, "target": target}

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """Mean squared error of input plus residual."""
        return {"mse": functional.mse_loss(batch["image"] + network(batch["image"]), batch["target"])}

    def predict(self, network: nn.Module, case: Case, device: torch.device) -> Prediction:
        """Return the restored volume (X, Y, Z) of each dose, in window units."""
        inputs = read_scaled(case, self.task.inputs, self.recipe.intensity)
        return {
            dose: (volume + slide(network, volume[None], self.recipe, device)[0]).clip(0.0, 1.0)
            for dose, volume in zip(self.task.inputs, inputs, strict=True)
        }

    def score(self, prediction: Prediction, case: Case) -> list[Row]:
        """Return image quality in the body for each dose, and that of the unrestored input (`*_identity`)."""
        (reference,) = case.read([self.target])
        body = reference > self.recipe.body_threshold
        (target,) = read_scaled(case, [self.target], self.recipe.intensity)
        inputs = read_scaled(case, self.task.inputs, self.recipe.intensity)
        rows = []
        for dose, volume in zip(self.task.inputs, inputs, strict=True):
            restored, identity = quality(prediction[dose], target, body, 1.0), quality(volume, target, body, 1.0)
            named = {**restored, **{f"{name}_identity": value for name, value in identity.items()}}
            rows += [self.row(case, dose, name, value, int(body.sum())) for name, value in named.items()]
        return rows

    def example(self, prediction: Prediction, case: Case) -> Example:
        """Return the slice with most body, restored from the last of the doses."""
        dose = self.task.inputs[-1]
        (reference,) = case.read([self.target])
        image, target = read_scaled(case, [dose, self.target], self.recipe.intensity)
        z = fullest(reference > self.recipe.body_threshold)
        return Example(case.case_id, image_panels(image, target, prediction[dose], z), dose)
