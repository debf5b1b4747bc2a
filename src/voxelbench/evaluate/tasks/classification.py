"""Classification of whole volumes; the rows keep each class's probability, so that every metric can be derived."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from voxelbench.data.case import Case
from voxelbench.data.loading import read_scaled, read_scaled_crop
from voxelbench.encoders.backbone import Backbone
from voxelbench.evaluate.examples import Example, grey, thin
from voxelbench.evaluate.networks import PooledNetwork
from voxelbench.evaluate.rows import Row
from voxelbench.evaluate.task import Prediction, Task
from voxelbench.method import Batch, Losses, Views
from voxelbench.recipes import ClassificationRecipe
from voxelbench.settings import IntensityRule


class Classification(Task):
    """The volume is resized to the recipe's crop, as the released CC-CCII pipeline does; proportions are not kept."""

    parts = PooledNetwork.parts
    recipe: ClassificationRecipe

    @property
    def out_channels(self) -> int:
        """One output a class."""
        return len(self.dataset.classes)

    def network(self, backbone: Backbone) -> nn.Module:
        """Return the backbone's trunk with a linear head on its pooled coarsest map."""
        return PooledNetwork(backbone, self.out_channels, self.recipe.n_hidden)

    def views(self, case: Case, rng: np.random.RandomState) -> Views:
        """Return the resized volume, augmented, and the number of its class."""
        image, _ = self.augment(self._resized(case), [], rng)
        return {"image": image, "target": np.array(case.target, np.int64)}

    def _resized(self, case: Case) -> np.ndarray:
        return read_resized(case, self.task.inputs, self.recipe.intensity, self.recipe.crop)

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """Cross-entropy."""
        return {"ce": functional.cross_entropy(network(batch["image"]), batch["target"])}

    def predict(self, network: nn.Module, case: Case, device: torch.device) -> Prediction:
        """Return the probability of each class."""
        with torch.inference_mode():
            output = network(torch.from_numpy(self._resized(case))[None].to(device))
        return {"probabilities": output.float().softmax(1)[0].cpu().numpy()}

    def score(self, prediction: Prediction, case: Case) -> list[Row]:
        """Return, for each class, its probability and whether it is the true one."""
        return class_rows(case, self.dataset.classes, prediction["probabilities"])

    def example(self, prediction: Prediction, case: Case) -> Example:
        """Return the middle slice of the first channel, in its own proportions, and the probabilities."""
        start, size = (0, 0, case.shape[2] // 2), (*case.shape[:2], 1)
        image = read_scaled_crop(case, self.task.inputs, self.recipe.intensity, start, size)[0, ..., 0]
        if case.spacing_mm is None:  # a stack of pictures lies as pictures do, from the upper left
            image = image[::-1, ::-1]
        return Example(
            case.case_id,
            {
                "image": thin(grey(image)),
                "probabilities": prediction["probabilities"],
                "true_class": np.array(case.target, np.int64),
            },
        )


def class_rows(case: Case, classes: Sequence[str], probabilities: np.ndarray) -> list[Row]:
    """Return two rows a class: its probability, and 1 if it is the true one, else 0."""
    rows = []
    for index, (name, probability) in enumerate(zip(classes, probabilities, strict=True)):
        for metric, value in (("probability", probability), ("is_true", index == case.target)):
            rows.append(Row(case.case_id, case.patient_id, name, metric, float(value), 0, "grid"))
    return rows


def read_resized(
    case: Case, channels: Sequence[str], rules: Sequence[IntensityRule], size: Sequence[int]
) -> np.ndarray:
    """Return the whole case, float32 (C, *size), as network input: linearly, its proportions are not kept."""
    volume = torch.from_numpy(read_scaled(case, channels, rules))
    return functional.interpolate(volume[None], tuple(size), mode="trilinear", align_corners=False)[0].numpy()
