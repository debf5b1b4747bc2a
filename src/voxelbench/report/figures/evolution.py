"""Correspondence over pretraining: maps of one anchor in another case at each snapshot, and curves over all organs."""

from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voxelbench import paths
from voxelbench.report.figures import maps, style
from voxelbench.report.figures.analyses import ENCODER, Slice, read_analysis, read_slices, slices_path, why_empty
from voxelbench.report.figures.request import Request

_SCORES = ["n_anchors", "accuracy", "chance", "auc", "n_cases", "token_voxels", "hidden", "reason"]
_CURVES = {"accuracy": "the most similar token holds the organ", "auc": "AUC over tokens"}
_MAP_INCHES, _CURVE_INCHES = 0.85, 1.9


def numbers(request: Request) -> pd.DataFrame:
    """Return a row a snapshot and token that is shown, with the snapshot's scores; without tokens, these alone."""
    scores, tokens = read_analysis(request, paths.SCORES), read_analysis(request, paths.TOKENS)
    path = slices_path(request)
    slices = read_slices(path)
    keys = [*ENCODER, "step"]
    rows = scores[[*keys, "encoder", *_SCORES]].merge(tokens, "left", keys)
    shown = {name.removesuffix("/other"): int(each["z"]) for name, each in slices.items() if name.endswith("/other")}
    return maps.in_slices(rows, shown).assign(slices=path)


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw the maps, a row a method and a column a snapshot, for the first anchor; and below them the curves."""
    slices = read_slices(numbers["slices"].iloc[0])
    looks = style.looks(style.systems(numbers))
    steps = sorted(numbers["step"].dropna().unique())
    anchors = numbers["anchor"].replace("", np.nan).dropna()
    has_maps = bool(len(anchors) and slices)
    height = _MAP_INCHES * len(looks) if has_maps else 0
    figure = Figure((style.PAGE_WIDTH, height + _CURVE_INCHES), layout="constrained")
    below: Any = figure
    if has_maps:
        above, below = cast(Any, figure.subfigures(2, 1, height_ratios=(height, _CURVE_INCHES)))
        _draw_maps(above, numbers[numbers["anchor"] == anchors.iloc[0]], slices, looks, steps)
    _draw_curves(below, numbers.drop_duplicates([*ENCODER, "step"]), looks)
    figure.legend(handles=style.legend_handles(looks.values()), ncols=len(looks))
    return figure


def _draw_maps(
    figure: Any,
    numbers: pd.DataFrame,
    slices: dict[str, Slice],
    looks: dict[style.System, style.Look],
    steps: list[float],
) -> None:
    name, voxels = f"{numbers['dataset'].iloc[0]}/{numbers['anchor'].iloc[0]}", int(numbers["token_voxels"].iloc[0])
    first, other = slices[f"{name}/first"], slices[f"{name}/other"]
    panels = figure.subplots(len(looks), 2 + len(steps), squeeze=False)
    drawn = None
    for row, (system, look) in zip(panels, looks.items(), strict=True):
        own = style.system_rows(numbers, system)
        maps.draw_slice(row[0], first)
        maps.mark_token(row[0], first["token"][:2], first, voxels)
        maps.draw_slice(row[1], other)
        row[0].set_ylabel(look.label, size=7)
        for axes, step in zip(row[2:], steps, strict=True):
            tokens = own[own["step"] == step]
            maps.draw_slice(axes, other)
            drawn = maps.draw_tokens(axes, tokens, other, voxels)
    titles = ["anchor", "other case", *(f"step {step:.0f}" for step in steps)]
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title, size=7)
    if drawn is not None:
        maps.add_scale(figure, drawn, panels)


def _draw_curves(figure: Any, scores: pd.DataFrame, looks: dict[style.System, style.Look]) -> None:
    panels, counted = figure.subplots(1, len(_CURVES)), scores.dropna(subset=["n_anchors"])
    for axes, (name, title) in zip(panels, _CURVES.items(), strict=True):
        if counted.empty:
            maps.draw_reason(axes, why_empty(scores))
            continue
        for system, look in looks.items():
            own = style.system_rows(scores, system).sort_values("step")
            axes.plot(own["step"], own[name], color=look.colour, marker=look.marker, ls=look.line, ms=3.5, lw=1.1)
        _draw_chance(axes, scores["chance"].mean() if name == "accuracy" else 0.5)
        axes.set_title(f"{title}, n = {counted['n_anchors'].max():.0f}", loc="left", size=7.5)
        axes.set_xlabel("step of pretraining")
        axes.set_xticks(sorted(scores["step"].dropna().unique()))
        axes.grid(axis="y")


def _draw_chance(axes: Axes, chance: float) -> None:
    axes.axhline(chance, color=style.FAINT, lw=0.8, ls=":")
    axes.annotate("chance", (1, chance), (0, 2), ("axes fraction", "data"), "offset points", size=6, ha="right")
