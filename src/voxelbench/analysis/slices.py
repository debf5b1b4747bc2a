"""The axial slice behind a map, in grey, with the organ of the anchor. Nothing else of a volume is ever shown."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from voxelbench import registry
from voxelbench.atomic import written_whole
from voxelbench.cards import DatasetCard
from voxelbench.data.case import Case
from voxelbench.data.loading import read_scaled
from voxelbench.evaluate.labels import Classes, class_masks
from voxelbench.resolve import EvalSpec, recipe


def why_hidden(card: DatasetCard, data: str) -> str:
    """Return why no slice of a dataset may be shown, or nothing: a twin's always may, a real one's if its card says."""
    if data == "phantom" or card.may_be_redistributed:
        return ""
    return f"no picture: {card.name} may not be passed on ({card.redistribute})"


def axial_slice(case: Case, spec: EvalSpec, classes: Classes, organ: str, z: int) -> dict[str, np.ndarray]:
    """Return what is shown of one slice: `image` uint8 (X, Y), `organ` bool (X, Y), `spacing_mm` of both axes, `z`.

    The image is in the window that finetuning reads, where it reads one, and stretched over its own range.
    """
    (channel,) = spec.task.inputs
    rules = recipe(spec.dataset, spec.task, spec.budget).intensity
    position = registry.dataset_card(spec.dataset).channels.index(channel)
    rule = rules[position if len(rules) > 1 else 0]
    volume = (read_scaled(case, (channel,), (rule,)) if rule.kind == "window" else case.read((channel,)))[0]
    low, high = np.percentile(volume, (0.5, 99.5))
    label = case.label()
    assert label is not None, "the cases of a token probe are labelled"
    return {
        "image": np.round(255 * ((volume[..., z] - low) / max(high - low, 1e-6)).clip(0, 1)).astype(np.uint8),
        "organ": class_masks(label[..., z], classes)[list(classes).index(organ)],
        "spacing_mm": np.array(case.spacing_mm[:2] if case.spacing_mm else (1.0, 1.0)),
        "z": np.array(z),
    }


def write_slices(path: Path, slices: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write slices by name, whole or not at all; equal slices give equal bytes."""
    arrays = {f"{name}/{what}": array for name, each in slices.items() for what, array in each.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]  # its stub takes the names for options
    with written_whole(path) as partial:
        partial.write_bytes(content.getvalue())
