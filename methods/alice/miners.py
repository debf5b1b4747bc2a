"""Pairs of views: a crop around a point of one volume, and one around the same anatomy in another."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from voxelbench.data.case import Case
from voxelbench.errors import ConfigError
from voxelbench.settings import IntensityRule, Triple
from voxelbench.validation import Strict

from .embeddings import StoredEmbedding, read_embedding
from .places import AnatomicalPlace, Match, Miner, RelativePlace, SameVolume
from .scan import Scan, draw_point


class Mining(Strict):
    """How pairs of points are found. A try counts if its score, from -1 to 1, is above `min_score`.

    Points are drawn from the body: what is above `body_above` after scaling, by modality.

    After `tries` without, the `last` try is kept, as released, or the `best`. `margin` keeps points off the upper ends
    of the axes, in voxels.

    `sam` takes `embeddings`, their folder; `covers`, the modalities that they were trained for; and `coordinates`,
    which are `physical`, or `released`: as if the embeddings' axes pointed where those of the case do.
    `relpos` takes `patch`, the edge in voxels of the cubes that it compares.
    """

    miner: Literal["sam", "relpos", "same_volume"]
    body_above: dict[str, float]
    min_score: float = Field(ge=-1, lt=1)
    tries: int = Field(gt=0)
    keep: Literal["last", "best"]
    margin: int = Field(ge=0)
    embeddings: str | None
    covers: tuple[str, ...]
    coordinates: Literal["physical", "released"]
    patch: int = Field(gt=1)

    @model_validator(mode="after")
    def _has_embeddings(self) -> "Mining":
        if self.miner == "sam" and not (self.embeddings and self.covers):
            raise ValueError(
                "miner sam needs `embeddings`, their folder (docs/embeddings.md), and `covers`, "
                "the modalities that they were trained for; without them, choose relpos"
            )
        return self


def mine(
    cases: tuple[Case, Case],
    mining: Mining,
    rules: dict[str, IntensityRule],
    crop: Triple,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Return float32 (2, 1, *crop): the query, a crop of the first case, and the anchor, of the second.

    Both are scaled, at native spacing, centred on a pair of matching points, and 0 beyond the volume.

    Raises:
        ConfigError: `sam` does not cover the modality of a case.
        DataError: embeddings are missing or do not fit their case, or a case shows no body for `relpos`.
    """
    query, other = (Scan(case, rules[case.modality], mining.body_above[case.modality]) for case in cases)
    miner = _miner(query, other, mining)
    point, match = _draw_pair(query, miner, mining, rng)
    return np.stack([query.crop(point, crop), miner.anchor.crop(match.point, crop)])


def _miner(query: Scan, other: Scan, mining: Mining) -> Miner:
    if mining.miner == "same_volume":
        return SameVolume(query)
    if mining.miner == "relpos":
        return RelativePlace(query, other, mining.patch)
    here, there = (_covered_embedding(scan.case, mining) for scan in (query, other))
    return AnatomicalPlace(other, here, there, turns=mining.coordinates == "physical")


def _covered_embedding(case: Case, mining: Mining) -> StoredEmbedding:
    if case.modality not in mining.covers:
        raise ConfigError(
            f"case {case.case_id} is {case.modality} and the embeddings of miner sam cover {', '.join(mining.covers)}; "
            f"run `alice.relpos`, or pretrain on another corpus."
        )
    assert mining.embeddings is not None  # as validated
    return read_embedding(case, Path(mining.embeddings))


def _draw_pair(query: Scan, miner: Miner, mining: Mining, rng: np.random.RandomState) -> tuple[Triple, Match]:
    """Draw points until one has a match, or tries run out."""
    kept: tuple[Triple, Match] | None = None
    for _ in range(mining.tries):
        point = draw_point(query.volume, mining.margin, rng, query.floor)
        match = miner.match(point)
        if kept is None or mining.keep == "last" or match.score > kept[1].score:
            kept = point, match
        if match.score > mining.min_score:
            break
    assert kept is not None  # tries is above 0
    return kept
