"""Analysis `similarity`: the cosine of an anchor to every token of its volume, encoder by encoder."""

import numpy as np
import pandas as pd

from voxelbench import paths, registry
from voxelbench.analysis.plan import check_scene, scene_runs
from voxelbench.analysis.reading import Reading, Row, read_scene, write_table
from voxelbench.analysis.settings import AnchoredScene, SimilarityAnalysis
from voxelbench.analysis.similarity import Telling, anchor_of, cosines, tell
from voxelbench.analysis.slices import axial_slice, why_hidden, write_slices
from voxelbench.evaluate.tokens import PlacedTokens

IDENTITY = ["budget", "data", "dataset", "corpus", "method", "variant", "encoder", "seed"]
SCORES = [*IDENTITY, "case_id", "anchor", *Telling._fields, "token_voxels", "hidden", "status", "reason"]
TOKENS = ["dataset", "method", "variant", "anchor", "x", "y", "z", "similarity", "share", "holds", "is_anchor"]


class Found:
    """What an analysis has found so far: rows of scores and tokens, and slices by name."""

    def __init__(self) -> None:
        self.scores: list[Row] = []
        self.tokens: list[Row] = []
        self.slices: dict[str, dict[str, np.ndarray]] = {}


def analyse_similarity(name: str, settings: SimilarityAnalysis, budget: str) -> None:
    """Do an analysis `similarity` and write its scores, tokens and slices."""
    found = Found()
    for scene in settings.scenes:
        check_scene(scene, scene.anchors)
        for run in scene_runs(settings, scene, budget):
            _read_encoder(found, read_scene(run, scene), scene)
    folder = paths.analysis(budget, name)
    write_slices(folder / paths.SLICES, found.slices)
    write_table(folder / paths.TOKENS, found.tokens, TOKENS)
    write_table(folder / paths.SCORES, found.scores, SCORES)


def _read_encoder(found: Found, reading: Reading, scene: AnchoredScene) -> None:
    if reading.reason:
        gated = {**reading.identity(), "status": "gated", "reason": reading.reason}
        found.scores += [{**gated, "anchor": anchor} for anchor in scene.anchors]
        return
    tokens = reading.tokens(reading.run.pretrain.weights())(reading.cases[0])
    for anchor in scene.anchors:
        found.scores.append(_read_anchor(found, reading, tokens, anchor))


def _read_anchor(found: Found, reading: Reading, tokens: PlacedTokens, organ: str) -> Row:
    """Add the tokens and the slice of one anchor, unless hidden, and return its scores."""
    case, number = reading.cases[0], list(reading.classes).index(organ)
    hidden = why_hidden(registry.dataset_card(reading.spec.dataset), reading.spec.data)
    row = {**reading.identity(), "case_id": case.case_id, "anchor": organ, "hidden": hidden}
    place = anchor_of(tokens, number)
    if place is None:
        return {**row, "status": "absent", "reason": f"case {case.case_id} has no {organ}"}
    similarity = cosines(tokens.features, tokens.features[place])
    others = np.arange(len(similarity)) != place
    holds = tokens.shares[:, number] >= reading.recipe.min_share
    if not hidden:
        named = {"dataset": reading.spec.dataset, "anchor": organ}
        found.tokens += token_rows({**reading.identity(), **named}, reading, tokens, number, similarity, place)
        z = int(tokens.starts[place, 2]) + reading.recipe.stride // 2
        name = f"{reading.spec.dataset}/{organ}"
        if name not in found.slices:
            found.slices[name] = axial_slice(case, reading.spec, reading.classes, organ, min(z, case.shape[2] - 1))
    telling = tell(similarity[others], holds[others])
    return {**row, **telling._asdict(), "token_voxels": reading.recipe.stride, "status": "ok"}


def token_rows(
    named: Row, reading: Reading, tokens: PlacedTokens, organ: int, similarity: np.ndarray, anchor: int
) -> list[Row]:
    """Return a row for each token: its start, its similarity, the organ's share of it, and whether it holds the organ.

    `anchor` is the token that a map marks.
    """
    shares = tokens.shares[:, organ]
    table = pd.DataFrame(tokens.starts, columns=["x", "y", "z"]).assign(
        similarity=similarity,
        share=shares,
        holds=(shares >= reading.recipe.min_share).astype(int),
        is_anchor=(np.arange(len(shares)) == anchor).astype(int),
    )
    return [named | {str(key): value for key, value in row.items()} for row in table.to_dict("records")]
