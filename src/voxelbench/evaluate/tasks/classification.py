"""Classification of whole volumes; the rows keep each class's probability, so that every metric can be derived."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from voxelbench.data.case import Case
from voxelbench.data.flips import flip
from voxelbench.data.loading import read_scaled
from voxelbench.encoders.backbone import Backbone
from voxelbench.evaluate.networks import PooledNetwork
from voxelbench.evaluate.rows import Row
from voxelbench.evaluate.task import Task
from voxelbench.method import Batch, Losses, Views
from voxelbench.recipes import ClassificationRecipe


class Classification(Task):
    """The volume is resized to the recipe's crop, as the released CC-CCII pipeline does; proportions are not kept."""

    parts = PooledNetwork.parts
    recipe: ClassificationRecipe

    @property
    def out_channels(self) -> int:
        """One output a class."""
        return len(self.dataset.classes)

    def network(self, backbone: Backbone) -> nn.Module:
        """Return the backbone's trunk with one linear layer on its pooled coarsest map."""
        return PooledNetwork(backbone, self.out_channels)

    def views(self, case: Case, rng: np.random.RandomState) -> Views:
        """Return the resized volume with flips and a jitter of contrast and brightness."""
        (image,) = flip([self._resized(case)], self.recipe.flip_probability, rng)
        contrast, brightness = rng.uniform(-1.0, 1.0, 2) * self.recipe.intensity_jitter
        jittered = (image * (1.0 + contrast) + brightness).astype(np.float32)
        return {"image": jittered, "target": np.array(case.target, np.int64)}

    def _resized(self, case: Case) -> np.ndarray:
        volume = torch.from_numpy(read_scaled(case, self.task.inputs, self.recipe.intensity))
        resized = functional.interpolate(volume[None], self.recipe.crop, mode="trilinear", align_corners=False)
        return resized[0].numpy()

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """Cross-entropy."""
        return {"ce": functional.cross_entropy(network(batch["image"]), batch["target"])}

    def predict(self, network: nn.Module, case: Case, device: torch.device) -> dict[str, np.ndarray]:
        """Return the probability of each class."""
        with torch.inference_mode():
            output = network(torch.from_numpy(self._resized(case))[None].to(device))
        return {"probabilities": output.float().softmax(1)[0].cpu().numpy()}

    def score(self, prediction: dict[str, np.ndarray], case: Case) -> list[Row]:
        """Return, for each class, its probability and whether it is the true one."""
        rows = []
        for index, (name, probability) in enumerate(
            zip(self.dataset.classes, prediction["probabilities"], strict=True)
        ):
            rows.append(self.row(case, name, "probability", float(probability)))
            rows.append(self.row(case, name, "is_true", float(index == case.target)))
        return rows
