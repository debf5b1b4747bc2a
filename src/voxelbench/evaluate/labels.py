"""Labels of a segmentation task: its classes, and their masks."""

from collections.abc import Iterable, Mapping

import numpy as np

from voxelbench.cards import DatasetCard, TaskCard
from voxelbench.data.case import Case

BACKGROUND = 0

Classes = Mapping[str, tuple[int, ...]]
"""The native label values of each class, by the name of the class."""


def task_classes(dataset: DatasetCard, task: TaskCard) -> Classes:
    """Return the dataset's regions where its card has some, else the task's labels without the background."""
    labels = task.labels or {value: name for value, name in dataset.labels.items() if value != BACKGROUND}
    return dict(dataset.regions) or {name: (value,) for value, name in labels.items()}


def absent_classes(cases: Iterable[Case], classes: Classes) -> list[str]:
    """Return the classes of which no case has a voxel, of any of their labels. Reads cases until all classes were seen.

    Cases without a label map show nothing.
    """
    absent = dict(classes)
    for case in cases:
        if not absent:
            break
        label = case.label()
        present = () if label is None else np.unique(label)
        absent = {name: values for name, values in absent.items() if not np.isin(values, present).any()}
    return list(absent)


def class_masks(label: np.ndarray, classes: Classes) -> np.ndarray:
    """Return bool (classes, X, Y, Z) from a map of native label values (X, Y, Z)."""
    return np.stack([np.isin(label, values) for values in classes.values()])


def answered_masks(probabilities: Iterable[np.ndarray], is_exclusive: bool) -> np.ndarray:
    """Return bool (classes, X, Y, Z) from a probability map a channel, read one at a time.

    Of exclusive classes, whose first channel is the background, the most probable one holds a voxel; of overlapping
    ones each whose probability is above one half.
    """
    if not is_exclusive:
        return np.stack([channel > 0.5 for channel in probabilities])
    channels = iter(probabilities)
    best = np.array(next(channels))
    winner, n_classes = np.zeros(best.shape, np.uint8), 0
    for n_classes, channel in enumerate(channels, start=1):
        is_better = channel > best
        winner[is_better] = n_classes
        np.maximum(best, channel, out=best)
    return np.stack([winner == number for number in range(1, n_classes + 1)])
