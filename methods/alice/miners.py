"""Which two places two views are taken from: a point of one volume, and the same anatomy in another."""

from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from pydantic import Field, model_validator

from voxelbench.data.case import Case
from voxelbench.data.foreground import foreground_box
from voxelbench.errors import ConfigError, DataError
from voxelbench.settings import IntensityRule, Triple
from voxelbench.validation import Strict

from .embeddings import StoredEmbedding, read_embedding
from .matching import Search
from .relative import RelativePosition, correlation, cube, values
from .scan import Scan, draw_point

_UNIT_LENGTH_TO = 0.02  # what half precision leaves of a length of 1, with room to spare


class Mining(Strict):
    """How pairs of points are found. A try counts if its score, from -1 to 1, is above `min_score`.

    After `tries` without, the `last` try is kept, as released, or the `best`. `margin` keeps points off the upper ends
    of the axes, in voxels.

    `sam` takes `embeddings`, their folder; `covers`, the modalities that they were trained for; and `coordinates`, which
    are `physical`, or `released`: as if the embeddings' axes pointed where those of the case do.
    `relpos` takes `patch`, the edge in voxels of the cubes that it compares.
    """

    miner: Literal["sam", "relpos", "same_volume"]
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


class Match(NamedTuple):
    """A point of the anchor's volume, and how sure the miner is of it, -1 to 1."""

    point: Triple
    score: float


class Miner(Protocol):
    """Finds points of the query's volume in that of the anchor."""

    anchor: Scan

    def match(self, point: Triple) -> Match:
        """Return where a voxel of the query's volume lies in the anchor's."""
        ...


class SameVolume:
    """Answers with the point itself, in the query's own volume: the lower bound."""

    def __init__(self, query: Scan) -> None:
        self.anchor = query

    def match(self, point: Triple) -> Match:
        """Return the point."""
        return Match(point, 1.0)


class RelativePlace:
    """Answers with the point of the same relative position in the box around what is above 0, the body.

    The score is the normalised cross-correlation of the voxels around both.
    """

    def __init__(self, query: Scan, anchor: Scan, patch: int) -> None:
        self.anchor = anchor
        self._query = query
        self._position = RelativePosition(*(foreground_box(s.case.case_id, s.volume, 0.0) for s in (query, anchor)))
        self._around = cube(patch)

    def match(self, point: Triple) -> Match:
        """Return the voxel that holds the point's relative position, the nearest one if that is off the volume."""
        around = np.array(point) + self._around
        here = values(self._query.volume, around)
        there = values(self.anchor.volume, self._position.carry(around))
        x, y, z = np.clip(self._position.carry(np.array(point)), 0, np.array(self.anchor.volume.shape) - 1)
        return Match((int(x), int(y), int(z)), correlation(here, there))


class AnatomicalEmbeddings:
    """Answers with the point whose embedding is most like the point's; the score is their mean cosine."""

    def __init__(self, query: Scan, anchor: Scan, mining: Mining) -> None:
        self.anchor = anchor
        self._query, self._key = (_covered_embedding(scan.case, mining) for scan in (query, anchor))
        _check_comparable(self._query, self._key)
        self._here, self._there = (
            stored.lattice(stored.facts.mirrored if mining.coordinates == "physical" else (False, False, False))
            for stored in (self._query, self._key)
        )
        self._search = Search(self._query.maps, self._key.maps)

    def match(self, point: Triple) -> Match:
        """Return the most similar voxel. Raises DataError for embeddings of another length than 1, or NaN."""
        here = self._here.cell(point)
        there, score = self._search.best(here)
        for stored, (z, y, x) in ((self._query, here), (self._key, there)):
            length = float(stored.maps.fine[:, z, y, x].float().norm())
            if not (abs(length - 1) < _UNIT_LENGTH_TO and np.isfinite(score)):
                raise DataError(
                    f"{stored.path}: at cell {(z, y, x)} 'fine' has length {length:.3g} and the similarity is "
                    f"{score:.3g}, expected length 1 and no NaN; write the embeddings of case "
                    f"{stored.facts.case_id} again as docs/embeddings.md says."
                )
        return Match(self._there.point(there), score)


def _covered_embedding(case: Case, mining: Mining) -> StoredEmbedding:
    if case.modality not in mining.covers:
        raise ConfigError(
            f"case {case.case_id} is {case.modality} and the embeddings of miner sam cover {', '.join(mining.covers)}; "
            f"set `mining.miner: relpos`, or pretrain on another corpus."
        )
    assert mining.embeddings is not None  # as validated
    return read_embedding(case, Path(mining.embeddings))


def _check_comparable(query: StoredEmbedding, key: StoredEmbedding) -> None:
    ours, theirs = ([len(tensor) for tensor in stored.maps] for stored in (query, key))
    if ours != theirs:
        raise DataError(
            f"{query.path}: has {ours} channels, fine and coarse, and {key.path} has {theirs}, expected the same; "
            f"embed cases {query.facts.case_id} and {key.facts.case_id} with one network."
        )


def mine(
    cases: tuple[Case, Case],
    mining: Mining,
    rules: dict[str, IntensityRule],
    crop: Triple,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Return float32 (2, 1, *crop): the query, a crop of the first case, and the anchor, of the second.

    Both are scaled, of native spacing, centred on a pair of matching points, and 0 beyond the volume.
    """
    query, other = (Scan(case, rules[case.modality]) for case in cases)
    miner = _miner(query, other, mining)
    point, match = _draw_pair(query.volume, miner, mining, rng)
    return np.stack([query.crop(point, crop), miner.anchor.crop(match.point, crop)])


def _miner(query: Scan, other: Scan, mining: Mining) -> Miner:
    if mining.miner == "same_volume":
        return SameVolume(query)
    if mining.miner == "relpos":
        return RelativePlace(query, other, mining.patch)
    return AnatomicalEmbeddings(query, other, mining)


def _draw_pair(volume: np.ndarray, miner: Miner, mining: Mining, rng: np.random.RandomState) -> tuple[Triple, Match]:
    """Draw points until one has a match, or tries run out."""
    kept: tuple[Triple, Match] | None = None
    for _ in range(mining.tries):
        point = draw_point(volume, mining.margin, rng)
        match = miner.match(point)
        if kept is None or mining.keep == "last" or match.score > kept[1].score:
            kept = point, match
        if match.score > mining.min_score:
            break
    assert kept is not None  # tries is above 0
    return kept
