"""A case probe reads pooled frozen features; its diagnostics tell features that collapsed from those that did not."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from voxelbench import paths
from voxelbench.cards import TaskKind
from voxelbench.config import read_encoder
from voxelbench.data.manifest import Row as ManifestRow
from voxelbench.data.manifest import write_manifest
from voxelbench.encoders.backbone import Encoder
from voxelbench.errors import ConfigError, DataError
from voxelbench.evaluate.case_probe import classify, pooled
from voxelbench.evaluate.diagnostics import effective_rank, uniformity
from voxelbench.evaluate.rows import read_rows, to_frame
from voxelbench.evaluate.run import evaluate
from voxelbench.evaluate.summary import case_values, run_metrics
from voxelbench.expand import eval_manifest
from voxelbench.recipes import CaseProbeRecipe
from voxelbench.resolve import eval_spec
from voxelbench.runs import NO_CORPUS, RANDOM, EvalRun, PretrainRun
from voxelbench.settings import IntensityRule

CLASSES = ("Normal", "CP", "NCP")
CENTRES = np.array([[0.0, 8.0], [8.0, 0.0], [-6.0, -6.0]])


class Means(Encoder):
    """An encoder whose only map is its input."""

    strides = (1,)

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, volume):
        return (self.weight * volume,)


def recipe(**changes):
    facts = {
        "grid": "native",
        "crop": (4, 6, 5),
        "intensity": (IntensityRule(kind="window", low=0, high=10),),
        "neighbours": 3,
        "inverse_regularisation": 1.0,
        "max_iterations": 1000,
    }
    return CaseProbeRecipe.model_validate(facts | changes)


@pytest.fixture
def make_cases(make_case):
    def make(n, prefix):
        volume = np.zeros((1, 2, 3, 4), np.float32)
        return [make_case(volume, name=f"{prefix}{index:02}", target=index % 3) for index in range(n)]

    return make


def features(cases, noise):
    rng = np.random.RandomState(0)
    return np.stack([CENTRES[case.target] + noise * rng.standard_normal(2) for case in cases])


def test_features_are_the_mean_of_the_coarsest_map(make_case):
    constant = make_case(np.stack([np.full((5, 9, 7), value, np.float32) for value in (2, 7)]), channels=("a", "b"))
    np.testing.assert_allclose(pooled(Means(), [constant], ("b", "a"), recipe()), [[0.7, 0.2]], rtol=1e-6)


def test_classes_that_lie_apart_are_told_by_both_classifiers(make_cases):
    training, testing = make_cases(12, "train"), make_cases(9, "test")
    rows = classify(features(training, 0.5), training, features(testing, 0.5), testing, CLASSES, recipe())
    values = case_values(TaskKind.classification, to_frame(rows))
    assert values["accuracy"].tolist() == [1.0] * 9 == values["knn_accuracy"].tolist()
    assert run_metrics(TaskKind.classification, to_frame(rows))["auc"] == 1.0


def test_shuffled_classes_are_told_by_neither(make_cases):
    """Features say nothing about the class: the accuracy is that of a guess, with the error that 240 cases leave."""
    training, testing = make_cases(60, "train"), make_cases(240, "test")
    rng = np.random.RandomState(1)
    learnt, tested = rng.standard_normal((60, 2)), rng.standard_normal((240, 2))
    rows = to_frame(classify(learnt, training, tested, testing, CLASSES, recipe()))
    values = case_values(TaskKind.classification, rows)
    for name in ("accuracy", "knn_accuracy"):
        assert abs(values[name].mean() - 1 / 3) < 4 * np.sqrt(2 / 9 / 240)


def test_too_few_cases_for_the_neighbours_are_refused(make_cases):
    training = make_cases(3, "train")
    with pytest.raises(DataError, match="3 training cases have no 4 nearest neighbours; lower `neighbours`"):
        classify(features(training, 0), training, features(training, 0), training, CLASSES, recipe(neighbours=4))


def test_a_run_leaves_rows_and_diagnostics(checkout, make_case):
    run = EvalRun(
        "cc_ccii", "classification", 0, PretrainRun("demo", NO_CORPUS, RANDOM, "swin12-demo", 0), "case_probe"
    )
    manifest = eval_manifest(run)
    manifest.parent.mkdir(parents=True)
    rng = np.random.RandomState(0)
    rows = []
    for index in range(40):
        case = make_case(rng.uniform(0, 255, (1, 9, 8, 7)).astype(np.float32), name=f"p{index}-s0", target=index % 3)
        case.image.rename(manifest.parent / case.image.name)
        rows.append(
            ManifestRow(
                case_id=case.case_id,
                patient_id=case.patient_id,
                image=case.image.name,
                label="",
                target=case.target,
                modality="CT",
                channels=("slices",),
                units=("8-bit",),
                spacing_mm=None,
                shape=case.shape,
                affine=(1.0,) * 16,
                native_shape=case.shape,
                native_affine=(1.0,) * 16,
                native_label="",
                sha256="",
            )
        )
    write_manifest(manifest, rows)
    evaluate(run)
    table = read_rows(run.folder() / paths.CASES)
    record = json.loads((run.folder() / paths.RUN).read_text())
    assert set(table["metric"]) == {"probability", "is_true", "knn_accuracy"}
    assert table["case_id"].nunique() == record["n_test"] and record["n_train"] > record["n_test"] > 0
    n_features = read_encoder("swin12-demo").feature_size * 16
    assert 1 < record["features"]["effective_rank"] <= min(n_features, record["n_train"] - 1)
    assert record["features"]["uniformity"] < 0


def test_a_task_without_classes_is_refused():
    run = EvalRun("btcv", "segmentation", 0, PretrainRun("demo", NO_CORPUS, RANDOM, "swin12-demo", 0), "case_probe")
    with pytest.raises(ConfigError) as caught:
        eval_spec(run)
    assert str(caught.value) == (
        "btcv, segmentation: a case probe needs a class for each case; name a classification task."
    )


@pytest.mark.parametrize("rank", [1, 3, 7])
def test_effective_rank_counts_directions_of_equal_strength(rank):
    """Orthogonal directions of equal variance: all singular values are equal, and the rank is their number."""
    basis = np.linalg.qr(np.random.RandomState(0).standard_normal((20, rank + 1)) @ np.eye(rank + 1))[0]
    centred = np.linalg.qr(basis - basis.mean(0))[0][:, :rank]
    directions = np.linalg.qr(np.random.RandomState(1).standard_normal((9, rank)))[0]
    assert effective_rank(5 + centred @ directions.T) == pytest.approx(rank, rel=1e-6)


def test_features_that_collapsed_have_no_rank_and_no_spread():
    same = np.ones((10, 4)) * [1, 2, 3, 4]
    assert effective_rank(same) == 0 and uniformity(same) == pytest.approx(0)


def test_uniformity_agrees_with_a_loop_over_pairs():
    x = np.random.RandomState(0).standard_normal((12, 5))
    unit = [row / np.linalg.norm(row) for row in x]
    pairs = [np.exp(-2 * np.sum((a - b) ** 2)) for i, a in enumerate(unit) for b in unit[:i]]
    assert uniformity(x) == pytest.approx(np.log(np.mean(pairs)))
