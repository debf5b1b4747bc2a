"""Analysis `organs`: one feature for each organ of each test case, how far apart they lie, and a t-SNE map of them."""

import numpy as np
from sklearn.manifold import TSNE

from voxelbench import paths
from voxelbench.analysis.plan import check_scene, scene_runs
from voxelbench.analysis.reading import Reading, Row, read_scene, write_table
from voxelbench.analysis.scenes import IDENTITY
from voxelbench.analysis.separation import Separation, separation
from voxelbench.analysis.settings import OrgansAnalysis
from voxelbench.errors import DataError
from voxelbench.evaluate.tokens import PlacedTokens

SCORES = [*IDENTITY, "n_cases", *Separation._fields, "neighbours", "status", "reason"]
POINTS = ["dataset", "method", "variant", "case_id", "organ", "x", "y"]


def analyse_organs(name: str, settings: OrgansAnalysis, budget: str) -> None:
    """Do an analysis `organs` and write its scores and points."""
    scene = settings.scene
    check_scene(scene)
    scores: list[Row] = []
    points: list[Row] = []
    for run in scene_runs(settings, scene, budget):
        reading = read_scene(run, scene)
        if reading.reason:
            scores.append({**reading.identity(), "status": "gated", "reason": reading.reason})
            continue
        cases, organs, features = _read_organs(reading)
        measured = separation(features, organs, settings.neighbours)
        counted = {"n_cases": len(set(cases)), "neighbours": settings.neighbours, "status": "ok"}
        scores.append({**reading.identity(), **measured._asdict(), **counted})
        for case_id, organ, (x, y) in zip(cases, organs, flat_map(features, settings), strict=True):
            points.append({**reading.identity(), "case_id": case_id, "organ": organ, "x": x, "y": y})
    folder = paths.analysis(budget, name)
    write_table(folder / paths.POINTS, points, POINTS)
    write_table(folder / paths.SCORES, scores, SCORES)


def _read_organs(reading: Reading) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the case, the organ and the feature of each organ that a test case shows."""
    read = reading.tokens(reading.run.pretrain.weights())
    cases: list[str] = []
    organs: list[str] = []
    features = []
    for case in reading.cases:
        means, is_there = organ_features(read(case))
        shown = [name for name, there in zip(reading.classes, is_there, strict=True) if there]
        cases += [case.case_id] * len(shown)
        organs += shown
        features.append(means[is_there])
    return cases, np.array(organs), np.concatenate(features)


def organ_features(tokens: PlacedTokens) -> tuple[np.ndarray, np.ndarray]:
    """Return the feature of each organ (K, C), and whether it is there, bool (K,).

    It is the mean of all tokens, weighted by how much of the organ lies in each: so small organs have one too, though
    they share their tokens with what surrounds them.
    """
    voxels = tokens.shares.sum(0)
    means = tokens.shares.T @ tokens.features.astype(np.float64) / np.maximum(voxels, 1e-12)[:, None]
    return means, voxels > 0


def flat_map(features: np.ndarray, settings: OrgansAnalysis) -> np.ndarray:
    """Return t-SNE coordinates (N, 2) by cosine, started from principal components and a fixed seed.

    They are a picture, not a measure: distances between far groups, and their sizes, mean nothing.

    Raises DataError if there are not more points than the perplexity.
    """
    if len(features) <= settings.perplexity:
        raise DataError(
            f"{len(features)} points are too few for a perplexity of {settings.perplexity:g}; lower the analysis's."
        )
    method = TSNE(metric="cosine", init="pca", perplexity=settings.perplexity, random_state=0, method="exact")
    coordinates: np.ndarray = method.fit_transform(features)
    return coordinates
