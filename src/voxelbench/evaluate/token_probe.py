"""The token probe: how well a linear classifier tells organs from the tokens of an encoder that is left as it is."""

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

from voxelbench import paths, registry
from voxelbench.data.case import Case
from voxelbench.errors import DataError
from voxelbench.evaluate.cases import task_cases
from voxelbench.evaluate.diagnostics import spread
from voxelbench.evaluate.frozen import frozen_trunk, linear_classifier
from voxelbench.evaluate.labels import task_classes
from voxelbench.evaluate.rows import TOKEN_AUC, Row, write_rows
from voxelbench.evaluate.tokens import Tokens, join, read_tokens
from voxelbench.expand import eval_manifest
from voxelbench.provenance import RunRecord
from voxelbench.recipes import TokenProbeRecipe
from voxelbench.resolve import eval_spec
from voxelbench.runs import EvalRun
from voxelbench.training.complexity import measure
from voxelbench.training.device import peak_memory, prepare_device

Probe = dict[int, Pipeline]
"""A classifier for each class that was fitted, by the number of the class."""


def probe_tokens(run: EvalRun) -> None:
    """Run one token probe and write its folder; `cases.csv` and `run.json` come last."""
    spec, folder = eval_spec(run), run.folder()
    record = RunRecord(run, spec)
    device = prepare_device(spec.device, spec.threads)
    recipe = TokenProbeRecipe.model_validate(spec.recipe)
    classes = task_classes(registry.dataset_card(run.dataset), spec.task)
    manifest, weights = eval_manifest(run), run.pretrain.weights()
    with record.phase("data"):
        cases = task_cases(spec, manifest)
    with record.phase("build"):
        trunk, record.extra["parts"] = frozen_trunk(spec, weights)
        record.extra |= measure(trunk.to(device), len(spec.task.inputs), recipe.crop) | peak_memory(device)

    def tokens(case: Case) -> Tokens:
        return read_tokens(trunk, case, spec.task.inputs, classes, recipe)

    with record.phase("encode"):
        learnt, tested = join(tokens(case) for case in cases.training), [tokens(case) for case in cases.testing]
    with record.phase("fit"):
        fitted = fit(learnt, recipe)
    names = list(classes)
    with record.phase("score"):
        rows = [
            row for case, held in zip(cases.testing, tested, strict=True) for row in score(fitted, held, case, names)
        ]
    if not rows:
        raise DataError(
            f"{manifest}: no test case has tokens with a class and tokens without it; set a finer `grid` or `stride`."
        )
    record.extra |= {
        **cases.counts(),
        "n_train_tokens": len(learnt.holds),
        "n_test_tokens": sum(len(each.holds) for each in tested),
        "features": spread(learnt.features),
        "left_out": [name for number, name in enumerate(names) if number not in fitted],
    }
    record.write([manifest, *([weights] if weights else [])])
    write_rows(folder / paths.CASES, rows)


def fit(tokens: Tokens, recipe: TokenProbeRecipe) -> Probe:
    """Fit one logistic regression on standardised features for each class that enough tokens hold, and enough lack.

    Raises DataError if there is no such class.
    """
    n_held = tokens.holds.sum(0)
    numbers = np.flatnonzero(np.minimum(n_held, len(tokens.holds) - n_held) >= recipe.min_tokens)
    if not len(numbers):
        raise DataError(
            f"no class is in {recipe.min_tokens} of {len(tokens.holds)} training tokens and absent from as many; "
            "lower `min_tokens` of the token_probe recipe, or set a finer `grid` or `stride`."
        )
    return {int(number): linear_classifier(recipe).fit(tokens.features, tokens.holds[:, number]) for number in numbers}


def score(fitted: Probe, tokens: Tokens, case: Case, names: list[str]) -> list[Row]:
    """Return the AUC of each fitted class that some tokens of the case hold and some lack, `n_voxels` that hold it."""
    rows = []
    for number, classifier in fitted.items():
        held = tokens.holds[:, number]
        if held.any() and not held.all():
            auc = float(roc_auc_score(held, classifier.decision_function(tokens.features)))
            rows.append(Row(case.case_id, case.patient_id, names[number], TOKEN_AUC, auc, int(held.sum()), "tokens"))
    return rows
