"""`examples.npz`: one axial slice of each test case of a run, for a person to look at. Imports no torch.

All cases are kept, not those that a run does best and worst: so the same ones can be shown of every method.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from voxelbench.atomic import written_whole
from voxelbench.cards import TaskKind
from voxelbench.evaluate.rows import Row, to_frame
from voxelbench.evaluate.summary import HEADLINE, case_values, headline_space
from voxelbench.runs import Selection

LARGEST = 128
"""Voxels along the longer side of a slice; a larger one is thinned."""

Panels = dict[str, np.ndarray]
"""What is shown of a case, by name."""


@dataclass(frozen=True)
class Example:
    """One test case: its panels, what they show where a task has several pairs, and its headline value.

    | task                        | panels                                                                     |
    |-----------------------------|----------------------------------------------------------------------------|
    | segmentation                | `image` uint8; `truth`, `answer` uint8, number of the class, 0 is no class  |
    | classification              | `image` uint8; `probabilities` float32 (classes); `true_class`, its number  |
    | reconstruction, translation | `input`, `target`, `answer` float16, in the units of the network's input    |

    Slices are (X, Y), first index to the patient's right, second to the front.
    """

    case_id: str
    panels: Panels
    pair: str = ""
    value: float = float("nan")


def fullest(mask: np.ndarray) -> int:
    """Return the first axial slice with most voxels of a mask (X, Y, Z); the middle one if the mask is empty."""
    counts = mask.sum((0, 1))
    return int(counts.argmax()) if counts.any() else mask.shape[2] // 2


def thin(plane: np.ndarray) -> np.ndarray:
    """Return every nth voxel of a slice (..., X, Y), so that no side is longer than LARGEST."""
    step = -(-max(plane.shape[-2:]) // LARGEST)
    return plane[..., ::step, ::step]


def grey(plane: np.ndarray) -> np.ndarray:
    """Return a slice as uint8, from black at its 0.5th percentile to white at its 99.5th."""
    low, high = np.percentile(plane, (0.5, 99.5))
    return (255 * ((plane - low) / max(high - low, 1e-6)).clip(0, 1)).round().astype(np.uint8)


def most_telling(channels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the channel of (C, X, Y) whose means inside and outside of a mask differ most, for its spread."""
    if truth.all() or not truth.any():
        return channels[0]
    contrasts = [abs(each[truth].mean() - each[~truth].mean()) / (each.std() + 1e-6) for each in channels]
    return channels[int(np.argmax(contrasts))]


def image_panels(image: np.ndarray, target: np.ndarray, answer: np.ndarray, z: int) -> Panels:
    """Return one slice of three volumes (X, Y, Z) in the same units."""
    volumes: Panels = {"input": image, "target": target, "answer": answer}
    return {name: thin(volume[..., z]).astype(np.float16) for name, volume in volumes.items()}


def painted(masks: np.ndarray) -> np.ndarray:
    """Return the number of the class at each voxel, uint8 (X, Y), from masks (classes, X, Y); the last one shows."""
    numbers = np.zeros(masks.shape[1:], np.uint8)
    for number, mask in enumerate(masks, start=1):
        numbers[mask] = number
    return numbers


def write_examples(
    path: Path, kind: TaskKind, selection: Selection, examples: Iterable[Example], rows: Iterable[Row]
) -> None:
    """Write examples, each with the headline value that the rows give its case; equal ones give equal bytes."""
    values = _values(kind, selection, to_frame(rows))
    kept = [replace(each, value=float(values.get(each.case_id, np.nan))) for each in examples]
    arrays = {f"{each.case_id}/{name}": panel for each in kept for name, panel in each.panels.items()}
    about = {
        "case_ids": np.array([each.case_id for each in kept]),
        "pairs": np.array([each.pair for each in kept]),
        "values": np.array([each.value for each in kept]),
    }
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **about, **arrays)  # type: ignore[arg-type]


def read_examples(path: Path) -> list[Example]:
    """Read the examples of a run, in the order of its test cases."""
    with np.load(path) as file:
        about = zip(file["case_ids"], file["pairs"], file["values"], strict=True)
        return [Example(str(name), _panels(file, str(name)), str(pair), float(value)) for name, pair, value in about]


def _panels(file: "np.lib.npyio.NpzFile", case_id: str) -> Panels:
    names = (key for key in file.files if key.startswith(f"{case_id}/"))
    return {key.removeprefix(f"{case_id}/"): file[key] for key in names}


def _values(kind: TaskKind, selection: Selection, rows: pd.DataFrame) -> dict[str, float]:
    cases = case_values(kind, rows[rows["space"] == headline_space(rows, selection)])
    return {} if HEADLINE[kind] not in cases else {str(name): value for name, value in cases[HEADLINE[kind]].items()}
