"""What a run saw, knew and answered, as one picture: a column a test case, a row a panel."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from voxelbench.evaluate.examples import Example, read_examples
from voxelbench.report.figures.montage_tiles import class_colour

N_CASES = 6
TILE = 96
"""Pixels along a side; panels are fitted into it and keep their proportions."""
PAINT = 0.55
"""How much a class covers the image below it."""

ROWS = ("image", "input", "truth", "target", "answer")
"""The panels that are pictures, from top to bottom."""


def write_montage(source: Path, target: Path) -> None:
    """Write the first test cases of `examples.npz` as PNG; equal examples give equal bytes."""
    examples = read_examples(source)[:N_CASES]
    rows = [np.concatenate([tile(each, name) for each in examples], axis=1) for name in panels(source)]
    Image.fromarray(np.concatenate(rows)).save(target, optimize=True)


def panels(source: Path) -> list[str]:
    """Return the names of the pictures of a case, from top to bottom."""
    return [name for name in ROWS if name in read_examples(source)[0].panels]


def tile(example: Example, name: str) -> np.ndarray:
    """Return one panel as uint8 RGB (TILE, TILE, 3), the patient's right on the left, the front on top."""
    panel = example.panels[name]
    if name in ("truth", "answer") and "image" in example.panels:
        colours = painted(example.panels["image"], panel)
    else:
        colours = np.repeat(_greys(example, panel)[..., None], 3, axis=-1)
    # (X, Y), X to the patient's right and Y to the front, becomes rows from the top and columns from the left.
    picture = Image.fromarray(colours.transpose(1, 0, 2)[::-1, ::-1])
    return np.asarray(ImageOps.pad(picture, (TILE, TILE), Image.Resampling.NEAREST))


def painted(image: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return an image uint8 (X, Y) as RGB, its classes (X, Y; 0 is none) laid over it, each in a colour of its own."""
    colours = np.repeat(image[..., None], 3, axis=-1).astype(float)
    for number in np.unique(classes[classes > 0]):
        where = classes == number
        colours[where] = (1 - PAINT) * colours[where] + PAINT * 255 * np.array(class_colour(int(number)))
    return colours.round().astype(np.uint8)


def _greys(example: Example, panel: np.ndarray) -> np.ndarray:
    """Return a panel as uint8; input, target and answer of a case share one scale, the target's."""
    if panel.dtype == np.uint8:
        return panel
    low, high = np.percentile(example.panels["target"].astype(float), (0.5, 99.5))
    shares = (panel.astype(float) - low) / max(high - low, 1e-6)
    return (255 * shares.clip(0, 1)).round().astype(np.uint8)
