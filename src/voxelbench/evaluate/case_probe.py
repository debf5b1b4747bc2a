"""The case probe: how well classes are told from the pooled features of an encoder that is left as it is.

Two classifiers read them: a linear one, whose probabilities are scored as those of a finetuned network, and the k
nearest neighbours by cosine, which learn nothing at all.
"""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

from voxelbench import paths, registry
from voxelbench.data.case import Case
from voxelbench.encoders.backbone import Encoder
from voxelbench.errors import DataError
from voxelbench.evaluate.cases import task_cases
from voxelbench.evaluate.diagnostics import spread
from voxelbench.evaluate.frozen import frozen_trunk, linear_classifier
from voxelbench.evaluate.rows import Row, write_rows
from voxelbench.evaluate.tasks.classification import class_rows, read_resized
from voxelbench.expand import eval_manifest
from voxelbench.provenance import RunRecord
from voxelbench.recipes import CaseProbeRecipe
from voxelbench.resolve import eval_spec
from voxelbench.runs import EvalRun
from voxelbench.training.complexity import measure
from voxelbench.training.device import peak_memory, prepare_device


def probe_cases(run: EvalRun) -> None:
    """Run one case probe and write its folder; `cases.csv` and `run.json` come last."""
    spec, folder = eval_spec(run), run.folder()
    record = RunRecord(run, spec)
    device = prepare_device(spec.device, spec.threads)
    recipe = CaseProbeRecipe.model_validate(spec.recipe)
    manifest, weights = eval_manifest(run), run.pretrain.weights()
    with record.phase("data"):
        cases = task_cases(spec, manifest)
    with record.phase("build"):
        trunk, record.extra["parts"] = frozen_trunk(spec, weights)
        record.extra |= measure(trunk.to(device), len(spec.task.inputs), recipe.crop) | peak_memory(device)
    with record.phase("encode"):
        learnt, tested = (pooled(trunk, part, spec.task.inputs, recipe) for part in (cases.training, cases.testing))
    with record.phase("score"):
        classes = registry.dataset_card(run.dataset).classes
        rows = classify(learnt, cases.training, tested, cases.testing, classes, recipe)
    record.extra |= {**cases.counts(), "features": spread(learnt)}
    record.write([manifest, *([weights] if weights else [])])
    write_rows(folder / paths.CASES, rows)


def pooled(trunk: Encoder, cases: Sequence[Case], channels: Sequence[str], recipe: CaseProbeRecipe) -> np.ndarray:
    """Return the mean of the coarsest map of each case, float32 (N, C)."""
    device = next(trunk.parameters()).device
    features = []
    for case in cases:
        volume = read_resized(case, channels, recipe.intensity, recipe.crop)
        with torch.inference_mode():
            features.append(trunk(torch.from_numpy(volume)[None].to(device))[-1].flatten(2).mean(-1)[0].float().cpu())
    return torch.stack(features).numpy()


def classify(
    learnt: np.ndarray,
    training: Sequence[Case],
    tested: np.ndarray,
    testing: Sequence[Case],
    classes: Sequence[str],
    recipe: CaseProbeRecipe,
) -> list[Row]:
    """Return the rows of both classifiers, from features (N, C) and their cases.

    Raises DataError if there are fewer training cases than neighbours.
    """
    if len(training) < recipe.neighbours:
        raise DataError(
            f"{len(training)} training cases have no {recipe.neighbours} nearest neighbours; lower `neighbours` of the "
            "case_probe recipe or take a larger label fraction."
        )
    targets = np.array([case.target for case in training])
    linear = linear_classifier(recipe).fit(learnt, targets)
    nearest = KNeighborsClassifier(recipe.neighbours, metric="cosine").fit(learnt, targets)
    rows = []
    for case, probabilities, answer in zip(testing, linear.predict_proba(tested), nearest.predict(tested), strict=True):
        rows += class_rows(case, classes, probabilities)
        rows.append(Row(case.case_id, case.patient_id, "all", "knn_accuracy", float(answer == case.target), 0, "grid"))
    return rows
