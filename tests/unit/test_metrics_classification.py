"""Accuracy, AUC and calibration against second implementations, on random and adversarial probabilities."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from voxelbench.errors import DataError
from voxelbench.evaluate.metrics.classification import (
    Answers,
    accuracy,
    balanced_accuracy,
    calibration_error,
    classification_scores,
    macro_auc,
)


def _answers(probabilities, truth, classes=None):
    probabilities, truth = np.asarray(probabilities, float), np.asarray(truth)
    names = classes or tuple(f"class {index}" for index in range(probabilities.shape[1]))
    return Answers(tuple(f"case{index}" for index in range(len(truth))), names, probabilities, truth)


def _random_answers(seed):
    """Draw 2 to 5 classes and 6 to 60 cases; every third set has tied probabilities, every fourth lacks a class."""
    rng = np.random.RandomState(seed)
    n_classes, n_cases = rng.randint(2, 6), rng.randint(6, 60)
    probabilities = rng.dirichlet(np.full(n_classes, rng.uniform(0.1, 3)), n_cases)
    if seed % 3 == 0:
        probabilities = np.round(probabilities, 1) + 1e-3
        probabilities /= probabilities.sum(1, keepdims=True)
    truth = rng.randint(0, n_classes - (seed % 4 == 0), n_cases)
    truth[:2] = 0, max(1, n_classes - 1 - (seed % 4 == 0))
    return _answers(probabilities, truth)


RANDOM = [_random_answers(seed) for seed in range(200)]


def test_the_sets_hold_ties_and_absent_classes():
    assert sum(bool(answers.absent) for answers in RANDOM) > 30
    assert sum(len(np.unique(answers.probabilities[:, 0])) < len(answers.truth) for answers in RANDOM) > 50


def _brute_auc(scores, is_class):
    """Count the pairs of a case inside the class and one outside that are ranked right; a tie is half."""
    inside, outside = scores[is_class], scores[~is_class]
    return np.mean([(a > b) + 0.5 * (a == b) for a in inside for b in outside])


def test_auc_is_the_share_of_pairs_ranked_right():
    for seed, answers in enumerate(RANDOM):
        areas = [_brute_auc(answers.probabilities[:, k], answers.truth == k) for k in sorted(set(answers.truth))]
        assert macro_auc(answers) == pytest.approx(np.mean(areas), abs=1e-12), seed


def test_auc_is_that_of_scikit_learn_where_all_classes_are_present():
    whole = [answers for answers in RANDOM if not answers.absent][::10]
    for answers in whole:
        scores = answers.probabilities if len(answers.classes) > 2 else answers.probabilities[:, 1]
        expected = roc_auc_score(answers.truth, scores, multi_class="ovr", average="macro")
        assert macro_auc(answers) == pytest.approx(expected, abs=1e-12)
    assert len(whole) > 10


def test_accuracies_are_counts_of_right_answers():
    for seed, answers in enumerate(RANDOM):
        given = np.array([np.flatnonzero(row == row.max())[0] for row in answers.probabilities])
        recalls = [np.mean(given[answers.truth == k] == k) for k in set(answers.truth)]
        assert accuracy(answers) == pytest.approx(np.mean(given == answers.truth)), seed
        assert balanced_accuracy(answers) == pytest.approx(np.mean(recalls)), seed


def _brute_calibration_error(answers):
    error = 0.0
    for index in range(15):
        members = [
            (row.max(), row.argmax() == k)
            for row, k in zip(answers.probabilities, answers.truth, strict=True)
            if index / 15 < row.max() <= (index + 1) / 15
        ]
        if members:
            confidence, right = np.mean(members, axis=0)
            error += len(members) / len(answers.truth) * abs(right - confidence)
    return error


def test_calibration_error_is_that_of_bin_after_bin():
    for seed, answers in enumerate(RANDOM):
        assert calibration_error(answers) == pytest.approx(_brute_calibration_error(answers), abs=1e-12), seed


def test_a_confidence_on_the_edge_of_two_bins_is_in_the_lower_one():
    """0.6 = 9 / 15 is in another bin than 0.61; in one bin, wrong and right would make up for each other."""
    answers = _answers([[0.6, 0.4], [0.61, 0.39]], [1, 0])
    assert calibration_error(answers) == pytest.approx((0.6 + 0.39) / 2)


def test_calibration_error_by_hand():
    """Two cases in the bin of 0.6: half right; one in that of 1.0: right. (2 |0.5 - 0.6| + 0) / 3."""
    answers = _answers([[0.6, 0.4], [0.4, 0.6], [1.0, 0.0]], [0, 0, 0])
    assert calibration_error(answers) == pytest.approx(0.2 / 3)
    assert calibration_error(_answers([[1.0, 0.0]] * 4, [1] * 4)) == 1.0


def test_an_absent_class_is_named_and_the_others_are_scored():
    answers = _answers([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]], [0, 1, 1], ("normal", "cp", "ncp"))
    scores = classification_scores(answers)
    assert scores.absent == ("ncp",) and not scores.reason
    assert scores.values["auc"] == 1.0
    assert scores.values["balanced_accuracy"] == pytest.approx((1 + 0.5) / 2)


def test_a_test_set_of_one_class_has_no_auc_and_says_why():
    scores = classification_scores(_answers([[0.8, 0.2], [0.3, 0.7]], [1, 1], ("cn", "ad")))
    assert "auc" not in scores.values and scores.values["accuracy"] == 0.5
    assert scores.reason == "no AUC: all 2 test cases are ad" and scores.absent == ("cn",)
    with pytest.raises(DataError, match="AUC needs two classes, and all cases are ad"):
        macro_auc(_answers([[0.8, 0.2]], [1], ("cn", "ad")))


@pytest.mark.parametrize("wrong", [[np.nan, 1.0], [np.inf, 0.0], [0.5, 0.6], [-0.1, 1.1]])
def test_a_case_without_probabilities_is_named_not_averaged(wrong):
    with pytest.raises(DataError, match=r"case case1: \[.*\] is no probabilities, expected numbers from 0 to 1"):
        _answers([[0.5, 0.5], wrong, [0.1, 0.9]], [0, 1, 1])


@pytest.mark.parametrize("wrong", [2, -1, np.nan])
def test_a_truth_that_is_no_class_is_named(wrong):
    with pytest.raises(DataError, match=r"case case1 \(and 1 other cases\): .* is no class, expected 0 to 1"):
        _answers([[0.5, 0.5]] * 3, [0, wrong, wrong])


def test_shapes_that_do_not_match_are_refused():
    with pytest.raises(DataError, match=r"probabilities are \(2, 2\) and truth \(3,\), expected \(3, 2\) and \(3,\)"):
        _answers([[0.5, 0.5]] * 2, [0, 1, 1])
    with pytest.raises(DataError, match="of at least one case"):
        _answers(np.zeros((0, 2)), np.zeros(0, int))
