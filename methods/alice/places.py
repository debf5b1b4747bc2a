"""Three answers to one question: where does a point of the query's volume lie in the anchor's?"""

from typing import NamedTuple, Protocol

import numpy as np

from voxelbench.data.foreground import foreground_box
from voxelbench.errors import DataError
from voxelbench.settings import Triple

from .embeddings import StoredEmbedding
from .matching import Search
from .relative import RelativePosition, correlation, cube, values
from .scan import Scan

_UNIT_LENGTH_TO = 0.02  # what half precision leaves of a length of 1, with room to spare
_UNTURNED = (False, False, False)


class Match(NamedTuple):
    """A point of the anchor's volume, and how like the query's it is, -1 to 1."""

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
    """Answers with the point of the same relative position in the box around the body.

    The score is the normalised cross-correlation of the cubes of voxels around both, the second one stretched as its
    body is.
    """

    def __init__(self, query: Scan, anchor: Scan, patch: int) -> None:
        self.anchor = anchor
        self._query = query
        boxes = (foreground_box(scan.case.case_id, scan.volume, scan.floor) for scan in (query, anchor))
        self._position = RelativePosition(*boxes)
        self._around = cube(patch)

    def match(self, point: Triple) -> Match:
        """Return the voxel that holds the point's relative position, the nearest one if that is off the volume."""
        around = np.array(point) + self._around
        here = values(self._query.volume, around)
        there = values(self.anchor.volume, self._position.carry(around))
        x, y, z = np.clip(self._position.carry(np.array(point)), 0, np.array(self.anchor.volume.shape) - 1)
        return Match((int(x), int(y), int(z)), correlation(here, there))


class AnatomicalPlace:
    """Answers with the point whose anatomical embedding is most like the point's; the score is their mean cosine.

    Unless `turns`, points are looked up as if the axes of the embeddings pointed where those of the volumes do.
    """

    def __init__(self, anchor: Scan, here: StoredEmbedding, there: StoredEmbedding, *, turns: bool) -> None:
        _check_comparable(here, there)
        self.anchor = anchor
        self._here, self._there = here, there
        self._lattices = [stored.lattice(stored.facts.mirrored if turns else _UNTURNED) for stored in (here, there)]
        self._search = Search(here.maps, there.maps)

    def match(self, point: Triple) -> Match:
        """Return the most similar voxel. Raises DataError for NaN, and for vectors of another length than 1."""
        here, there = self._lattices
        cell = here.cell(point)
        best, score = self._search.best(cell)
        _check_length(self._here, cell)
        _check_length(self._there, best)
        if not np.isfinite(score):
            raise DataError(
                f"{self._there.path}: its similarity to {self._here.path} is {score}, expected a number, so 'coarse' "
                f"of one of them holds such values; embed both cases again as docs/embeddings.md says."
            )
        return Match(there.point(best), score)


def _check_comparable(here: StoredEmbedding, there: StoredEmbedding) -> None:
    ours, theirs = ([len(tensor) for tensor in stored.maps] for stored in (here, there))
    if ours != theirs:
        raise DataError(
            f"{here.path}: has {ours} channels, fine and coarse, and {there.path} has {theirs}, expected the same; "
            f"embed cases {here.facts.case_id} and {there.facts.case_id} with one network."
        )


def _check_length(stored: StoredEmbedding, cell: Triple) -> None:
    z, y, x = cell
    length = float(stored.maps.fine[:, z, y, x].float().norm())
    if not abs(length - 1) < _UNIT_LENGTH_TO:  # NaN too
        raise DataError(
            f"{stored.path}: the vector of 'fine' at cell {cell} (z, y, x) has length {length:.3g}, expected 1; "
            f"embed case {stored.facts.case_id} again as docs/embeddings.md says."
        )
