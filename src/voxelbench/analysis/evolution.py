"""Analysis `evolution`: are the tokens of one organ alike in two patients, at the start and snapshot by snapshot?"""

from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxelbench import paths, registry
from voxelbench.analysis.plan import check_scene, scene_runs
from voxelbench.analysis.reading import Reading, read_scene, write_table
from voxelbench.analysis.scenes import IDENTITY, Found, token_rows
from voxelbench.analysis.settings import AnchoredScene, EvolutionAnalysis
from voxelbench.analysis.similarity import anchor_of, cosines, tell
from voxelbench.analysis.slices import axial_slice, why_hidden, write_slices
from voxelbench.errors import ConfigError, DataError
from voxelbench.evaluate.tokens import PlacedTokens
from voxelbench.resolve import method_config
from voxelbench.runs import NO_CORPUS


class Correspondence(NamedTuple):
    """Over all anchors: how often the most similar token of another case holds the organ; chance; mean AUC."""

    n_anchors: int
    accuracy: float
    chance: float
    auc: float


SCORES = [*IDENTITY, "step", *Correspondence._fields, "n_cases", "token_voxels", "hidden", "status", "reason"]
TOKENS = ["dataset", "method", "variant", "step", "anchor", "x", "y", "z", "similarity", "share", "holds", "is_anchor"]
FIRST, OTHER = "first", "other"
"""The two cases of a map: that of the anchor, and the one that is searched."""


def analyse_evolution(name: str, settings: EvolutionAnalysis, budget: str) -> None:
    """Do an analysis `evolution` and write its scores, tokens and slices."""
    scene, found = settings.scene, Found()
    check_scene(scene, scene.anchors)
    random: list[PlacedTokens] = []
    for run in scene_runs(settings, scene, budget):
        reading = read_scene(run, scene)
        if run.pretrain.corpus == NO_CORPUS:
            continue  # the random encoder is step 0 of every method
        if reading.reason:
            found.scores.append({**reading.identity(), "status": "gated", "reason": reading.reason})
            continue
        random = random or _read(reading, None, settings.n_cases)
        _add_step(found, reading, scene, 0, random)
        for step in snapshot_steps(reading):
            weights = paths.snapshot(run.pretrain.folder(), step)
            _add_step(found, reading, scene, step, _read(reading, weights, settings.n_cases))
    folder = paths.analysis(budget, name)
    write_slices(folder / paths.SLICES, found.slices)
    write_table(folder / paths.TOKENS, found.tokens, TOKENS)
    write_table(folder / paths.SCORES, found.scores, SCORES)


def _read(reading: Reading, weights: Path | None, n_cases: int) -> list[PlacedTokens]:
    read = reading.tokens(weights)
    return [read(case) for case in reading.cases[:n_cases]]


def snapshot_steps(reading: Reading) -> list[int]:
    """Return the steps of a run's snapshots. Raises ConfigError if the method's config asks for none."""
    pretrain = reading.run.pretrain
    steps = method_config(pretrain.method, pretrain.budget).snapshot_steps()
    if not steps:
        raise ConfigError(f"{pretrain.method} keeps no snapshots; set `snapshots` in its config.yaml, or leave it out.")
    return steps


def _add_step(found: Found, reading: Reading, scene: AnchoredScene, step: int, read: list[PlacedTokens]) -> None:
    hidden = why_hidden(registry.dataset_card(scene.dataset), reading.spec.data)
    measured = correspondence(read, reading.recipe.min_share)._asdict()
    seen = {"n_cases": len(read), "token_voxels": reading.recipe.stride, "hidden": hidden, "status": "ok"}
    found.scores.append({**reading.identity(), "step": step, **measured, **seen})
    for organ in scene.anchors if not hidden else ():
        _add_map(found, reading, organ, step, read)


def correspondence(cases: list[PlacedTokens], min_share: float) -> Correspondence:
    """Search each case for the anchor of every organ of every other case; an organ that the case lacks is no question.

    Raises DataError if no organ is in two cases.
    """
    hits, chances, aucs = [], [], []
    for first, other in permutations(cases, 2):
        holding = other.shares >= min_share
        for organ in range(holding.shape[1]):
            anchor, holds = anchor_of(first, organ), holding[:, organ]
            if anchor is None or holds.all() or not holds.any():
                continue
            similarity = cosines(other.features, first.features[anchor])
            hits.append(holds[similarity.argmax()])
            chances.append(holds.mean())
            aucs.append(tell(similarity, holds).auc)
    if not hits:
        raise DataError("no organ is held by a token in two of the cases; raise `n_cases` of the analysis.")
    return Correspondence(len(hits), float(np.mean(hits)), float(np.mean(chances)), float(np.mean(aucs)))


def _add_map(found: Found, reading: Reading, organ: str, step: int, read: list[PlacedTokens]) -> None:
    """Add the similarity of the second case's tokens to the first one's anchor, and the slices of both."""
    number, (first, other) = list(reading.classes).index(organ), read[:2]
    anchor, best = anchor_of(first, number), anchor_of(other, number)
    if anchor is None or best is None:
        return
    similarity = cosines(other.features, first.features[anchor])
    named = {**reading.identity(), "step": step, "anchor": organ}
    found.tokens += token_rows(named, reading, other, number, similarity, int(similarity.argmax()))
    for which, case, tokens, place in zip((FIRST, OTHER), reading.cases, read, (anchor, best), strict=False):
        name = f"{reading.spec.dataset}/{organ}/{which}"
        if name not in found.slices:
            z = min(int(tokens.starts[place, 2]) + reading.recipe.stride // 2, case.shape[2] - 1)
            shown = axial_slice(case, reading.spec, reading.classes, organ, z)
            found.slices[name] = {**shown, "token": tokens.starts[place]}
