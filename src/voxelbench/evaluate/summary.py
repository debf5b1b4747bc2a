"""From the rows of a run to its metrics, and to one headline value a case.

| task kind      | headline | value of a case                                      |
|----------------|----------|------------------------------------------------------|
| segmentation   | dice     | mean over the classes with a value                   |
| classification | accuracy | 1 if the most probable class is the true one, else 0 |
| reconstruction | ssim     | mean over doses                                      |
| translation    | ssim     | mean over the pairs of different contrasts           |

The headline of a token probe is `token_auc`, the mean over the case's classes.
"""

import pandas as pd

from voxelbench.cards import TaskKind
from voxelbench.evaluate.metrics.classification import Answers, classification_scores
from voxelbench.evaluate.rows import TOKEN_AUC, Space
from voxelbench.recipes import RecipeName
from voxelbench.runs import Selection

HEADLINE: dict[RecipeName, str] = {
    TaskKind.segmentation: "dice",
    TaskKind.classification: "accuracy",
    TaskKind.reconstruction: "ssim",
    TaskKind.translation: "ssim",
    "token_probe": TOKEN_AUC,
    "case_probe": "accuracy",
}


def headline_space(rows: pd.DataFrame, selection: Selection) -> Space:
    """Return the space that tables show: the scanner's own grid, where a score was taken there.

    Where weights are selected as in released code, it is the grid that the network reads: there released code stops.
    """
    spaces = set(rows["space"])
    if spaces == {"grid", "native"}:
        return "grid" if selection == "upstream" else "native"
    return spaces.pop()


def headline(kind: TaskKind, rows: pd.DataFrame) -> float:
    """Return the mean over cases of a task's headline metric; minus infinity if no case has a value."""
    values = case_values(kind, rows).get(HEADLINE[kind], pd.Series(dtype=float)).dropna()
    return float(values.mean()) if len(values) else float("-inf")


def case_values(kind: TaskKind, rows: pd.DataFrame) -> pd.DataFrame:
    """Return patient_id and one column a metric that is a mean over cases; one row a case. Rows are of one space."""
    if kind == TaskKind.classification:
        return _classified(rows)
    values = rows.pivot_table(index="case_id", columns="metric", values="value", aggfunc="mean")
    values.insert(0, "patient_id", rows.groupby("case_id")["patient_id"].first())
    return values


def run_metrics(kind: TaskKind, rows: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of a run that are no mean over cases: per class, and what ranks or calibrates."""
    if kind == TaskKind.classification:
        return _classifier_metrics(rows)
    names = rows["metric"] + ":" + rows["class"]
    means = rows.groupby(names)["value"].mean().dropna()
    return {str(name): float(value) for name, value in means.items()}


def _classified(rows: pd.DataFrame) -> pd.DataFrame:
    """Return patient_id and accuracy, 1 or 0, of each case; of a probe that of its nearest neighbours too."""
    table = pd.DataFrame({"patient_id": rows.groupby("case_id")["patient_id"].first()})
    answer = _by_class(rows, "probability").idxmax(axis=1)
    table["accuracy"] = (answer == _by_class(rows, "is_true").idxmax(axis=1)).astype(float)
    if (rows["metric"] == "knn_accuracy").any():
        table["knn_accuracy"] = _by_class(rows, "knn_accuracy")["all"]
    return table


def _by_class(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows["metric"] == metric].pivot_table(index="case_id", columns="class", values="value")


def _classifier_metrics(rows: pd.DataFrame) -> dict[str, float]:
    probabilities, truth = _by_class(rows, "probability"), _by_class(rows, "is_true")
    answers = Answers(
        tuple(probabilities.index), tuple(probabilities.columns), probabilities.to_numpy(), truth.to_numpy().argmax(1)
    )
    scores = classification_scores(answers)
    return {name: value for name, value in scores.values.items() if name != "accuracy"} | {
        "absent_classes": float(len(scores.absent))
    }
