"""Native label values to nnU-Net's, which are consecutive, and back; overlapping classes as its regions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voxelbench.errors import ConfigError
from voxelbench.external import Classes

BACKGROUND = "background"


@dataclass(frozen=True)
class Labels:
    """What `dataset.json` says of labels. `native` are the native values of nnU-Net's labels 0, 1, 2, ..."""

    native: tuple[int, ...]
    names: Mapping[str, int | list[int]]
    regions_class_order: Sequence[int] | None

    @classmethod
    def of(cls, classes: Classes, is_exclusive: bool) -> "Labels":
        """Return the labels of a task. Raises ConfigError for overlapping classes that are not nested."""
        native = (0, *sorted({value for values in classes.values() for value in values}))
        number = {value: index for index, value in enumerate(native)}
        if is_exclusive:
            return cls(native, {BACKGROUND: 0} | {name: number[value] for name, (value,) in classes.items()}, None)
        nested = sorted(classes.items(), key=lambda item: -len(item[1]))
        order = [_shell(outer, inner) for outer, inner in zip(nested, [*nested[1:], ("", ())], strict=True)]
        regions = {name: sorted(number[value] for value in values) for name, values in nested}
        return cls(native, {BACKGROUND: 0} | regions, [number[value] for value in order])

    def to_consecutive(self, label: np.ndarray) -> np.ndarray:
        """Return uint8 (X, Y, Z) of nnU-Net's labels; what is no label of the task is background."""
        table = np.zeros(256, np.uint8)
        table[list(self.native)] = np.arange(len(self.native))
        return table[label]

    def to_native(self, label: np.ndarray) -> np.ndarray:
        """Return uint8 (X, Y, Z) of native label values."""
        return np.array(self.native, np.uint8)[label]


def _shell(outer: tuple[str, Sequence[int]], inner: tuple[str, Sequence[int]]) -> int:
    """Return the one label that the outer of two nested regions has and the inner has not."""
    (name, values), (_, inside) = outer, inner
    shell = set(values) - set(inside)
    if not set(inside) <= set(values) or len(shell) != 1:
        raise ConfigError(
            f"regions: '{name}' {tuple(values)} holds {tuple(inside)} and one more label in no way; nnU-Net predicts "
            "regions that are nested, each one label larger than the next."
        )
    return shell.pop()
