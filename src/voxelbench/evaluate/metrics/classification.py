"""Metrics of a classifier, from the probabilities that it gave to each case of a test set. Imports no torch."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from voxelbench.errors import DataError

N_BINS = 15  # source: Guo et al. 2017, "On calibration of modern neural networks"
_ROUNDING = 1e-3  # rows of probabilities are written with six decimals


@dataclass(frozen=True)
class Answers:
    """What a classifier said about N cases: probabilities (N, K) of K classes, and the true class (N,), 0 to K - 1.

    Raises DataError, with the name of the case, for probabilities that are none or a truth that is no class.
    """

    case_ids: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: np.ndarray
    truth: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.case_ids), len(self.classes))
        if self.probabilities.shape != shape or self.truth.shape != shape[:1] or not shape[0]:
            raise DataError(
                f"probabilities are {self.probabilities.shape} and truth {self.truth.shape}, expected {shape} and "
                f"{shape[:1]}, of at least one case; give one row a case and one column a class."
            )
        rows = self.probabilities
        bad = ~np.isfinite(rows).all(1) | (rows < 0).any(1) | (abs(rows.sum(1) - 1) > _ROUNDING)
        self._refuse(bad, rows, "no probabilities, expected numbers from 0 to 1 with the sum 1; train or predict again")
        unknown = ~np.isin(self.truth, np.arange(shape[1]))
        self._refuse(unknown, self.truth, f"no class, expected 0 to {shape[1] - 1}; check its target in the manifest")

    def _refuse(self, wrong: np.ndarray, values: np.ndarray, why: str) -> None:
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            others = f" (and {int(wrong.sum()) - 1} other cases)" if wrong.sum() > 1 else ""
            raise DataError(f"case {self.case_ids[first]}{others}: {values[first].tolist()} is {why}.")

    @property
    def given(self) -> np.ndarray:
        """The most probable class (N,); of equal ones the first."""
        return self.probabilities.argmax(1)

    @property
    def present(self) -> np.ndarray:
        """The classes that some case has."""
        return np.unique(self.truth)

    @property
    def absent(self) -> tuple[str, ...]:
        """The names of the classes that no case has."""
        return tuple(name for index, name in enumerate(self.classes) if index not in self.present)


@dataclass(frozen=True)
class ClassificationScores:
    """Metrics by name; the classes that no case has; and why there is no AUC, else nothing."""

    values: dict[str, float]
    absent: tuple[str, ...]
    reason: str


def classification_scores(answers: Answers) -> ClassificationScores:
    """Return all metrics of a test set. One without two classes has no AUC, and the reason says so."""
    values = {
        "accuracy": accuracy(answers),
        "balanced_accuracy": balanced_accuracy(answers),
        "ece": calibration_error(answers),
    }
    if len(answers.present) < 2:
        reason = f"no AUC: all {len(answers.truth)} test cases are {answers.classes[answers.present[0]]}"
        return ClassificationScores(values, answers.absent, reason)
    return ClassificationScores(values | {"auc": macro_auc(answers)}, answers.absent, "")


def accuracy(answers: Answers) -> float:
    """Return the share of cases whose most probable class is the true one."""
    return float(accuracy_score(answers.truth, answers.given))


def balanced_accuracy(answers: Answers) -> float:
    """Return the mean recall of the classes that are present."""
    return float(recall_score(answers.truth, answers.given, labels=answers.present, average="macro"))


def macro_auc(answers: Answers) -> float:
    """Return the area under the ROC curve of a class against the rest, averaged over the classes that are present.

    Raises DataError if all cases have one class.
    """
    if len(answers.present) < 2:
        raise DataError(f"AUC needs two classes, and all cases are {answers.classes[answers.present[0]]}; add cases.")
    areas = [roc_auc_score(answers.truth == index, answers.probabilities[:, index]) for index in answers.present]
    return float(np.mean(areas))


def calibration_error(answers: Answers) -> float:
    """Return the expected calibration error of the most probable class (ECE, Guo et al. 2017, eq. 3).

    sum over b of |B_b| / N * |accuracy(B_b) - confidence(B_b)|, where B_b holds the cases whose highest probability
    lies in (b / 15, (b + 1) / 15], and both are means over these cases. 0 is calibrated, 1 the worst.
    """
    confidence, correct = answers.probabilities.max(1), answers.given == answers.truth
    edges = np.linspace(0.0, 1.0, N_BINS + 1)
    bins = np.searchsorted(edges[1:-1], confidence, side="left")
    gaps = np.bincount(bins, correct - confidence, minlength=N_BINS)
    return float(abs(gaps).sum() / len(confidence))
