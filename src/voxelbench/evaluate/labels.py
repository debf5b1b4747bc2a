"""Labels of a segmentation task: its classes, and their masks."""

from collections.abc import Mapping

import numpy as np

from voxelbench.cards import DatasetCard, TaskCard

BACKGROUND = 0

Classes = Mapping[str, tuple[int, ...]]
"""The native label values of each class, by the name of the class."""


def task_classes(dataset: DatasetCard, task: TaskCard) -> Classes:
    """Return the dataset's regions where its card has some, else the task's labels without the background."""
    labels = task.labels or {value: name for value, name in dataset.labels.items() if value != BACKGROUND}
    return dict(dataset.regions) or {name: (value,) for value, name in labels.items()}


def class_masks(label: np.ndarray, classes: Classes) -> np.ndarray:
    """Return bool (classes, X, Y, Z) from a map of native label values (X, Y, Z)."""
    return np.stack([np.isin(label, values) for values in classes.values()])
