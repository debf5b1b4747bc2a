"""Anatomical embeddings of a case, computed beforehand: `<folder>/<case_id>.safetensors`; see docs/embeddings.md."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from voxelbench.data.case import Case
from voxelbench.errors import DataError
from voxelbench.settings import Triple
from voxelbench.validation import Strict

from .matching import Embedding, Lattice

_KEY = "embedding"  # of the metadata
_DTYPES = (torch.float16, torch.float32)
_REMEDY = "write the file as docs/embeddings.md says"

Lengths = tuple[float, float, float]


class Facts(Strict):
    """What a file says of itself. Lengths along x, y, z; `shape` and `spacing_mm` are those of the case.

    The volume was resampled to `grid_mm` and embedded at every `stride`-th voxel. `orientation` says where the axes
    x, y, z of the embedding point to, as in LPS: left, posterior, superior.
    """

    case_id: str
    shape: Triple
    spacing_mm: Lengths
    grid_mm: Lengths
    stride: int = Field(gt=0)
    orientation: str = Field(pattern="^[RL][AP][SI]$")

    @property
    def mirrored(self) -> tuple[bool, bool, bool]:
        """Which axes run against those of a case, which point right, anterior and superior."""
        x, y, z = (letter in "LPI" for letter in self.orientation)
        return x, y, z


@dataclass(frozen=True)
class StoredEmbedding:
    """A checked file. Its maps are read where they are used: memory-mapped."""

    path: Path
    facts: Facts
    maps: Embedding

    def lattice(self, mirrored: tuple[bool, bool, bool]) -> Lattice:
        """Return where the cells of the fine map lie in the volume."""
        x, y, z = (spacing / grid for spacing, grid in zip(self.facts.spacing_mm, self.facts.grid_mm, strict=True))
        return Lattice(self.facts.shape, (x, y, z), self.facts.stride, mirrored)


def read_embedding(case: Case, folder: Path) -> StoredEmbedding:
    """Read the embeddings of a case.

    Raises:
        DataError: the file is missing, damaged, not laid out as it has to be, or made from another volume.
    """
    path = folder / f"{case.case_id}.safetensors"
    metadata, tensors = _read(path, case.case_id)
    facts = _read_facts(path, metadata)
    problem = next(_layout_problems(tensors), None) or next(_mismatches(case, facts, tensors["fine"].shape[1:]), None)
    if problem:
        raise DataError(f"{path}: {problem}; {_REMEDY}, from the volume of case {case.case_id} as it was prepared.")
    return StoredEmbedding(path, facts, Embedding(tensors["fine"], tensors["coarse"]))


def _read(path: Path, case_id: str) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file, expected the embeddings of case {case_id}; {_REMEDY}.")
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a readable file of safetensors ({error}); {_REMEDY}.") from None


def _read_facts(path: Path, metadata: Mapping[str, str]) -> Facts:
    if _KEY not in metadata:
        raise DataError(f"{path}: has no '{_KEY}' among its metadata; {_REMEDY}.")
    try:
        return Facts.model_validate_json(metadata[_KEY])
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(("metadata", _KEY, *map(str, problem["loc"])))
        raise DataError(f"{path}: {where} is {problem['input']!r} ({problem['msg']}); {_REMEDY}.") from None


def _layout_problems(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    for name in ("fine", "coarse"):
        if name not in tensors:
            yield f"has the tensors {', '.join(sorted(tensors)) or 'none'}, not '{name}'"
        elif tensors[name].dim() != 4 or tensors[name].dtype not in _DTYPES:
            yield (
                f"'{name}' is {tensors[name].dtype} of shape {tuple(tensors[name].shape)}, "
                f"expected (C, z, y, x) in float16 or float32"
            )


def _mismatches(case: Case, facts: Facts, cells: torch.Size) -> Iterator[str]:
    if facts.case_id != case.case_id:
        yield f"holds the embeddings of case {facts.case_id}, expected those of {case.case_id}"
    if facts.shape != case.shape:
        yield f"was made from a volume of {facts.shape} voxels, expected {case.shape}"
    if case.spacing_mm is None or not np.allclose(facts.spacing_mm, case.spacing_mm, rtol=1e-3):
        yield f"was made from a volume with a spacing of {facts.spacing_mm} mm, expected {case.spacing_mm}"
    lengths = zip(facts.shape, facts.spacing_mm, facts.grid_mm, strict=True)
    needed = tuple(int((n - 1) * spacing / grid / facts.stride) + 1 for n, spacing, grid in lengths)[::-1]
    if any(n < least for n, least in zip(cells, needed, strict=True)):
        yield f"'fine' has {tuple(cells)} cells (z, y, x), too few for the volume, which reaches into {needed}"
