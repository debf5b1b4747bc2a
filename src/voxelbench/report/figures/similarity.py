"""Similarity heatmaps: an anchor and the tokens of its axial slice, a row an anchor, a column an encoder."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voxelbench import paths
from voxelbench.report.figures import maps, style
from voxelbench.report.figures.analyses import ENCODER, Slice, read_analysis, read_slices, slices_path, why_empty
from voxelbench.report.figures.request import Request

_SCORES = ["n_tokens", "n_holding", "auc", "precision", "chance", "token_voxels", "hidden", "reason"]
_PANEL_INCHES = 1.05


def numbers(request: Request) -> pd.DataFrame:
    """Return a row a token of the slices that are shown, with the scores of its anchor; without tokens, the reason."""
    scores, tokens = read_analysis(request, paths.SCORES), read_analysis(request, paths.TOKENS)
    path = slices_path(request)
    slices = read_slices(path)
    keys = [*ENCODER, "anchor"]
    rows = scores[[*keys, "encoder", *_SCORES]].merge(tokens, "left", keys)
    shown = {name: int(each["z"]) for name, each in slices.items()}
    return maps.in_slices(rows, shown).assign(slices=path)


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw the slice of each anchor, and beside it the similarities of each encoder."""
    slices = read_slices(numbers["slices"].iloc[0])
    looks = style.looks(style.systems(numbers))
    scenes = list(numbers.groupby(["dataset", "anchor"], sort=False))
    figure = Figure((style.PAGE_WIDTH, _PANEL_INCHES * len(scenes) + 0.2), layout="constrained")
    panels = figure.subplots(len(scenes), 1 + len(looks), squeeze=False)
    drawn = None
    for place, ((dataset, anchor), rows) in enumerate(scenes):
        shown = slices.get(f"{dataset}/{anchor}")
        _draw_image(panels[place, 0], f"{dataset}\n{anchor}", shown, rows)
        for axes, (system, look) in zip(panels[place, 1:], looks.items(), strict=True):
            own = style.system_rows(rows, system)
            if place == 0:
                axes.set_title(look.label, size=7)
            if shown is None or own["similarity"].isna().all():
                maps.draw_reason(axes, why_empty(own))
                continue
            maps.draw_slice(axes, shown)
            drawn = maps.draw_tokens(axes, own, shown, int(own["token_voxels"].iloc[0]))
            _write_scores(axes, own.iloc[0])
    if drawn is not None:
        maps.add_scale(figure, drawn, panels)
    return figure


def _draw_image(axes: Axes, name: str, shown: Slice | None, rows: pd.DataFrame) -> None:
    if shown is None:
        maps.draw_reason(axes, name)
        return
    maps.draw_slice(axes, shown)
    anchor = rows[rows["is_anchor"] == 1].iloc[0]
    maps.mark_token(axes, anchor[["x", "y"]].to_numpy(), shown, int(anchor["token_voxels"]))
    axes.set_ylabel(name, size=7)


def _write_scores(axes: Axes, scores: pd.Series) -> None:
    text = f"AUC {scores['auc']:.2f} (0.5)\nprecision {scores['precision']:.2f} ({scores['chance']:.2f})"
    axes.set_xlabel(text, size=5.5, labelpad=2)
