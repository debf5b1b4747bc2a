"""An axial slice in grey, and tokens over it by their similarity. As radiologists look: the right is at the left."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from voxelbench.report.figures import style
from voxelbench.report.figures.analyses import Slice

_COLOURS = "viridis"
_MARK = "#FFFFFF"
_REASON_LETTERS = 18


def draw_slice(axes: Axes, shown: Slice) -> None:
    """Draw the image and the outline of the organ, in millimetres."""
    image, (dx, dy) = shown["image"], shown["spacing_mm"]
    extent = (0, image.shape[0] * dx, 0, image.shape[1] * dy)
    axes.imshow(image.T, origin="lower", extent=extent, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if shown["organ"].any():
        x, y = (np.arange(n) + 0.5 for n in image.shape)
        axes.contour(x * dx, y * dy, shown["organ"].T, levels=[0.5], colors=_MARK, linewidths=0.8)
    axes.set_xlim(extent[1], extent[0])
    axes.set_ylim(extent[2], extent[3])
    strip(axes)


def draw_tokens(axes: Axes, tokens: pd.DataFrame, shown: Slice, voxels: int) -> AxesImage:
    """Draw the similarity of tokens over a slice, each a block of `voxels` cubed, and a square around the anchor."""
    dx, dy = shown["spacing_mm"]
    column, row = (tokens[axis].to_numpy(int) // voxels for axis in ("x", "y"))
    grid = np.full((row.max() + 1, column.max() + 1), np.nan)
    grid[row, column] = tokens["similarity"]
    extent = (0, grid.shape[1] * voxels * dx, 0, grid.shape[0] * voxels * dy)
    limits = axes.get_xlim(), axes.get_ylim()
    drawn = axes.imshow(grid, origin="lower", extent=extent, cmap=_COLOURS, alpha=0.6, vmin=-1, vmax=1)
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    for start in tokens.loc[tokens["is_anchor"] == 1, ["x", "y"]].to_numpy():
        mark_token(axes, start, shown, voxels)
    return drawn


def mark_token(axes: Axes, start: np.ndarray, shown: Slice, voxels: int) -> None:
    """Draw a square around a token."""
    dx, dy = shown["spacing_mm"]
    corner = (start[0] * dx, start[1] * dy)
    axes.add_patch(Rectangle(corner, voxels * dx, voxels * dy, fill=False, edgecolor="#D55E00", linewidth=1.6))


def in_slices(rows: pd.DataFrame, shown: Mapping[str, int]) -> pd.DataFrame:
    """Return the tokens that a slice cuts, and the rows without a token.

    `shown` says which axial slice is drawn, by dataset and anchor: "btcv/liver".
    """
    z = (rows["dataset"] + "/" + rows["anchor"]).map(shown).astype(float)
    depth = (z - rows["z"].astype(float)).fillna(-1)
    is_cut = (depth >= 0) & (depth < rows["token_voxels"].fillna(0))
    return rows[is_cut | rows["z"].isna()].reset_index(drop=True)


def draw_reason(axes: Axes, reason: str) -> None:
    """Say in an empty panel why it is empty."""
    strip(axes)
    text = textwrap.fill(textwrap.shorten(reason, 90, placeholder=" …"), _REASON_LETTERS)
    axes.text(0.5, 0.5, text, size=6.5, style="italic", color=style.FAINT, ha="center", va="center")


def strip(axes: Axes) -> None:
    """Take ticks and frame away."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def add_scale(figure: Figure, drawn: AxesImage, panels: np.ndarray) -> None:
    """Add the scale of the similarities at the right of the panels."""
    scale = figure.colorbar(drawn, ax=list(panels.flat), shrink=0.6, aspect=30, pad=0.01)
    scale.set_label("cosine to the anchor")
    scale.outline.set_visible(False)
