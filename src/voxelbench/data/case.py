"""A case: one prepared volume with its label or class, read lazily, in physical units, axes X, Y, Z (RAS)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from voxelbench.data.cache import Box, read_volume
from voxelbench.data.manifest import read_manifest
from voxelbench.errors import DataError


@dataclass(frozen=True)
class Case:
    """The unit of evaluation. `shape` is (X, Y, Z); `spacing_mm` is None where the source has no spacing."""

    case_id: str
    patient_id: str
    modality: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    spacing_mm: tuple[float, float, float] | None
    affine: np.ndarray
    shape: tuple[int, int, int]
    image: Path
    label_image: Path | None = None
    target: float | int | None = None
    attachments: Mapping[str, Path] = field(default_factory=dict)
    stored: tuple[int, ...] | None = None
    """Where each channel lies in the file; None where the case has all of them, in order."""
    native: "Case | None" = None
    """The same case on the scanner's own grid, where it is to be scored there."""

    def narrowed(self, channels: Sequence[str]) -> "Case":
        """Return the case with only these channels. Raises DataError for one that it does not have."""
        positions = [self._position(name) for name in channels]
        stored = self.stored or tuple(range(len(self.channels)))
        return replace(
            self,
            channels=tuple(channels),
            units=tuple(self.units[position] for position in positions),
            stored=tuple(stored[position] for position in positions),
        )

    def read(self, channels: Sequence[str] | None = None, box: Box | None = None) -> np.ndarray:
        """Return float32 (C, X, Y, Z) in the card's units. Raises DataError for a channel that the case lacks."""
        case = self if channels is None else self.narrowed(channels)
        indices = None if case.stored is None else list(case.stored)
        return read_volume(self.image, indices, box).astype(np.float32)

    def label(self, box: Box | None = None) -> np.ndarray | None:
        """Return the label map, uint8 (X, Y, Z), or None if the case has none."""
        return None if self.label_image is None else read_volume(self.label_image, box=box).astype(np.uint8)

    def _position(self, channel: str) -> int:
        if channel not in self.channels:
            raise DataError(f"case {self.case_id} has channels {', '.join(self.channels)}, not '{channel}'.")
        return self.channels.index(channel)


def read_cases(manifest: Path | str) -> list[Case]:
    """Read a manifest back into cases, in its order. Raises DataError if it is missing or damaged."""
    manifest = Path(manifest)
    return [
        Case(
            case_id=row.case_id,
            patient_id=row.patient_id,
            modality=row.modality,
            channels=row.channels,
            units=row.units,
            spacing_mm=row.spacing_mm,
            affine=np.array(row.affine).reshape(4, 4),
            shape=row.shape,
            image=manifest.parent / row.image,
            label_image=manifest.parent / row.label if row.label else None,
            target=row.target,
            attachments={name: manifest.parent / file for name, file in row.attachments.items()},
        )
        for row in read_manifest(manifest)
    ]
