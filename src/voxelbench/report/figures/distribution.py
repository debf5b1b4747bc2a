"""Distributions of an anchor's similarity to all tokens of its volume: has it few peaks or many, and whose are they?"""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from voxelbench import paths
from voxelbench.report.figures import maps, style
from voxelbench.report.figures.analyses import ENCODER, read_analysis, why_empty
from voxelbench.report.figures.request import Request

_EDGES = np.round(np.linspace(-1, 1, 41), 2)
_SCORES = ["n_tokens", "n_holding", "auc", "precision", "chance", "sharpness", "hidden", "reason"]
_PANEL_INCHES = 0.95


def numbers(request: Request) -> pd.DataFrame:
    """Return a row a bin: how many tokens, the anchor left out, hold the organ and how many do not; or the reason."""
    scores, tokens = read_analysis(request, paths.SCORES), read_analysis(request, paths.TOKENS)
    keys = [*ENCODER, "anchor"]
    by_anchor = dict(list(tokens[tokens["is_anchor"] == 0].groupby(keys)))
    rows: list[dict[Hashable, Any]] = []
    for _, score in scores.iterrows():
        named = score[[*keys, "encoder", *_SCORES]].to_dict()
        part = by_anchor.get(tuple(score[keys]))
        rows += [named] if part is None else _bins(part, named)
    return pd.DataFrame(rows, columns=[*keys, "encoder", "low", "high", "n_organ", "n_other", *_SCORES])


def _bins(tokens: pd.DataFrame, named: dict[Hashable, Any]) -> list[dict[Hashable, Any]]:
    holds = tokens["holds"] == 1
    organ, other = (np.histogram(tokens["similarity"][chosen], _EDGES)[0] for chosen in (holds, ~holds))
    return [
        {**named, "low": low, "high": high, "n_organ": in_organ, "n_other": outside}
        for low, high, in_organ, outside in zip(_EDGES[:-1], _EDGES[1:], organ, other, strict=True)
    ]


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw a panel an anchor and encoder."""
    looks = style.looks(style.systems(numbers))
    scenes = list(numbers.groupby(["dataset", "anchor"], sort=False))
    figure = Figure((style.PAGE_WIDTH, _PANEL_INCHES * len(scenes) + 0.3), layout="constrained")
    panels = figure.subplots(len(scenes), len(looks), squeeze=False, sharex=True)
    for place, ((dataset, anchor), rows) in enumerate(scenes):
        for axes, (system, look) in zip(panels[place], looks.items(), strict=True):
            own = style.system_rows(rows, system)
            if own["low"].isna().all():
                maps.draw_reason(axes, why_empty(own))
            else:
                _draw_panel(axes, own, look)
            if place == len(scenes) - 1:
                axes.set_xlabel("cosine", size=6.5)
            if place == 0:
                axes.set_title(look.label, size=7)
        panels[place, 0].set_ylabel(f"{dataset}\n{anchor}", size=7)
    kinds = [Patch(color=style.FAINT, label="tokens of the organ"), Line2D([], [], color=style.INK, label="the others")]
    figure.legend(handles=kinds, ncols=2)
    return figure


def _draw_panel(axes: Axes, bins: pd.DataFrame, look: style.Look) -> None:
    edges = [*bins["low"], bins["high"].iloc[-1]]
    organ, other = (bins[name] / max(bins[name].sum(), 1) for name in ("n_organ", "n_other"))
    axes.stairs(organ, edges, fill=True, color=look.colour, alpha=0.55)
    axes.stairs(other, edges, color=style.INK, linewidth=0.8)
    score = bins.iloc[0]
    text = (
        f"AUC {score['auc']:.2f}\nsharp {score['sharpness']:.1f}\nn {score['n_holding']:.0f} / {score['n_tokens']:.0f}"
    )
    axes.text(0.02, 0.97, text, size=5.5, va="top", transform=axes.transAxes)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlim(-1, 1)
    axes.set_ylim(0, 1.65 * max(organ.max(), other.max()))
    axes.tick_params(labelsize=6)
