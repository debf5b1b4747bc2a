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
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from voxelbench.cards import TaskKind
from voxelbench.evaluate.rows import TOKEN_AUC
from voxelbench.recipes import RecipeName
from voxelbench.runs import TOKEN_PROBE

HEADLINE: dict[RecipeName, str] = {
    TaskKind.segmentation: "dice",
    TaskKind.classification: "accuracy",
    TaskKind.reconstruction: "ssim",
    TaskKind.translation: "ssim",
    TOKEN_PROBE: TOKEN_AUC,
}


def case_values(kind: TaskKind, rows: pd.DataFrame) -> pd.DataFrame:
    """Return patient_id and one column a metric that is a mean over cases; one row a case."""
    if kind == TaskKind.classification:
        return _classified(rows)[["patient_id", "accuracy"]]
    values = rows.pivot_table(index="case_id", columns="metric", values="value", aggfunc="mean")
    values.insert(0, "patient_id", rows.groupby("case_id")["patient_id"].first())
    return values


def run_metrics(kind: TaskKind, rows: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of a run that are no mean over cases: per class, and AUC."""
    if kind == TaskKind.classification:
        return _ranking_metrics(_classified(rows))
    names = rows["metric"] + ":" + rows["class"]
    return {str(name): float(value) for name, value in rows.groupby(names)["value"].mean().items()}


def _classified(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a case: patient_id, truth, answer, accuracy, and a probability for each class."""
    table = _by_class(rows, "probability")
    classes = list(table.columns)
    table["patient_id"] = rows.groupby("case_id")["patient_id"].first()
    table["truth"] = _by_class(rows, "is_true").idxmax(axis=1)
    table["answer"] = table[classes].idxmax(axis=1)
    table["accuracy"] = (table["truth"] == table["answer"]).astype(float)
    return table


def _by_class(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows["metric"] == metric].pivot_table(index="case_id", columns="class", values="value")


def _ranking_metrics(cases: pd.DataFrame) -> dict[str, float]:
    classes = sorted(set(cases.columns) - {"patient_id", "truth", "answer", "accuracy"})
    metrics = {"balanced_accuracy": float(balanced_accuracy_score(cases["truth"], cases["answer"]))}
    if cases["truth"].nunique() == len(classes):
        # Probabilities were written with six decimals; scikit-learn wants rows that sum to 1.
        probabilities = cases[classes].div(cases[classes].sum(axis=1), axis=0)
        scores = probabilities[classes[1]] if len(classes) == 2 else probabilities
        metrics["auc"] = float(roc_auc_score(cases["truth"], scores, multi_class="ovr", labels=classes))
    return metrics
