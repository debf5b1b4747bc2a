"""How an analysis reads: a frozen encoder, the test cases of its scene, and their tokens with places and labels."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from voxelbench import registry
from voxelbench.analysis.plan import scene_spec
from voxelbench.analysis.settings import Scene
from voxelbench.atomic import write_text
from voxelbench.data.case import Case
from voxelbench.errors import DataError
from voxelbench.evaluate.cases import task_cases
from voxelbench.evaluate.frozen import frozen_trunk
from voxelbench.evaluate.labels import Classes, task_classes
from voxelbench.evaluate.tokens import PlacedTokens, read_placed_tokens
from voxelbench.expand import eval_manifest, gate
from voxelbench.recipes import TokenProbeRecipe
from voxelbench.resolve import EvalSpec
from voxelbench.runs import EvalRun, MethodId
from voxelbench.training.device import prepare_device

Row = dict[str, object]
ReadTokens = Callable[[Case], PlacedTokens]
DECIMALS = 4


@dataclass(frozen=True)
class Reading:
    """One encoder on one scene. `reason` says why it is gated, if it is."""

    run: EvalRun
    spec: EvalSpec
    recipe: TokenProbeRecipe
    classes: Classes
    reason: str

    @cached_property
    def cases(self) -> list[Case]:
        """The test cases."""
        return task_cases(self.spec, eval_manifest(self.run)).testing

    def identity(self) -> Row:
        """Return the columns that name the encoder and the scene."""
        method = MethodId.parse(self.spec.method)
        return {
            "budget": self.spec.budget,
            "data": self.spec.data,
            "dataset": self.spec.dataset,
            "corpus": self.spec.corpus,
            "method": method.name,
            "variant": method.variation,
            "encoder": self.spec.preset.name,
            "seed": self.spec.seed,
        }

    def tokens(self, weights: Path | None) -> ReadTokens:
        """Return a function that reads the tokens of a case with these weights; without weights, of the random start.

        Raises DataError if the weights are not there.
        """
        if weights is not None and not weights.is_file():
            raise DataError(
                f"{weights}: no such weights; delete {self.run.pretrain.folder()} and pretrain {self.spec.method} "
                "again (the run is missing, or older than the `snapshots` of its method's config)."
            )
        trunk, _ = frozen_trunk(self.spec, weights)
        trunk = trunk.to(prepare_device(self.spec.device, self.spec.threads))
        return lambda case: read_placed_tokens(trunk, case, self.spec.task.inputs, self.classes, self.recipe)


def read_scene(run: EvalRun, scene: Scene) -> Reading:
    """Resolve what an encoder reads on a scene."""
    spec = scene_spec(run, scene)
    classes = task_classes(registry.dataset_card(scene.dataset), spec.task)
    return Reading(run, spec, TokenProbeRecipe.model_validate(spec.recipe), classes, gate(run) or "")


def write_table(path: Path, rows: list[Row], columns: list[str]) -> None:
    """Write rows in their order, with fixed decimals, whole or not at all; cells that a row lacks stay empty."""
    frame = pd.DataFrame(rows, columns=columns)
    write_text(path, frame.to_csv(index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n"))
