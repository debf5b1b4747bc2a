"""Scans: the channels that the gate compares, each with its header and, where it is asked for, its fingerprint."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from voxelbench import registry
from voxelbench.contamination.fingerprint import Fingerprint, read_fingerprint
from voxelbench.contamination.header import patient_key
from voxelbench.data.case import Case, read_cases
from voxelbench.data.manifest import read_manifest
from voxelbench.data.splits import Part, select


@dataclass(frozen=True)
class Scan:
    """One channel of a prepared case, on its native grid."""

    dataset: str
    case: Case
    patient: str
    image_sha256: str

    @property
    def name(self) -> str:
        """Where to find it: `dataset/case`."""
        return f"{self.dataset}/{self.case.case_id}"

    def fingerprint(self) -> Fingerprint:
        """Return what its voxels look like: read from beside the case, or made and left there."""
        return read_fingerprint(self.case, self.image_sha256)


def scans(manifest: Path, dataset: str, split: str, fold: int, part: Part, channels: Iterable[str]) -> Iterator[Scan]:
    """Yield the named channels of the cases of one part of a dataset."""
    card = registry.dataset_card(dataset)
    hashes = {row.case_id: row.sha256 for row in read_manifest(manifest)}
    for case in select(read_cases(manifest), card, split, fold, part):
        for channel in channels:
            patient = patient_key(card, case.patient_id)
            yield Scan(dataset, case.narrowed((channel,)), patient, hashes[case.case_id])
