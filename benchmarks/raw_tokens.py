"""What the token probe makes of raw intensities: how far organs can be told without an encoder.

    python benchmarks/raw_tokens.py

Each token is cut into cells, and its features are the mean and the standard deviation of each. Everything else is as in
table `learning`, whose prepared twins have to be there.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from voxelbench import registry
from voxelbench.encoders.backbone import Encoder
from voxelbench.evaluate.cases import task_cases
from voxelbench.evaluate.labels import task_classes
from voxelbench.evaluate.token_probe import fit, score
from voxelbench.evaluate.tokens import join, read_tokens
from voxelbench.expand import eval_manifest, table_runs
from voxelbench.recipes import TokenProbeRecipe
from voxelbench.resolve import eval_spec
from voxelbench.runs import RANDOM

CELLS = (32, 16, 8)


class Intensities(Encoder):
    """Tokens of `stride` voxels, each the moments of its cells of `cell` voxels."""

    def __init__(self, stride: int, cell: int) -> None:
        super().__init__()
        self.strides = (stride,)
        self.cell = cell
        self.one = nn.Parameter(torch.ones(()))  # an encoder's device is that of its weights

    def forward(self, volume: Tensor) -> tuple[Tensor, ...]:
        """Map (1, C, X, Y, Z) to (1, features, X / stride, ...)."""
        mean = functional.avg_pool3d(volume, self.cell)
        variance = functional.avg_pool3d(volume.square(), self.cell) - mean.square()
        moments = self.one * torch.cat([mean, variance.clamp(min=0).sqrt()], 1)
        n = self.strides[0] // self.cell
        for axis in (2, 3, 4):  # each step moves the cells of a token along one axis to the channels
            moments = moments.unflatten(axis, (-1, n)).movedim(axis + 1, 2).flatten(1, 2)
        return (moments,)


def main() -> None:
    """Probe and print one line a size of cells."""
    run = next(run for _, run in table_runs("learning", "learn") if run.pretrain.method == RANDOM)
    spec = eval_spec(run)
    recipe = TokenProbeRecipe.model_validate(spec.recipe)
    classes = task_classes(registry.dataset_card(run.dataset), spec.task)
    training, _, testing = task_cases(spec, eval_manifest(run))
    print("| cell, voxels | features | token AUC x 100 |\n|---|---|---|")
    for cell in CELLS:
        encoder = Intensities(recipe.stride, cell)
        learnt, *tested = (
            join(read_tokens(encoder, case, spec.task.inputs, classes, recipe) for case in cases)
            for cases in (training, *([case] for case in testing))
        )
        fitted = fit(learnt, recipe)
        rows = [score(fitted, tokens, case, list(classes)) for tokens, case in zip(tested, testing, strict=True)]
        auc = np.mean([np.mean([row.value for row in of_case]) for of_case in rows])
        print(f"| {cell} | {learnt.features.shape[1]} | {100 * auc:.1f} |", flush=True)


if __name__ == "__main__":
    main()
