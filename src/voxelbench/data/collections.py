"""Pretraining collections: volumes of one channel, found by the card's layout, without labels."""

import re
from dataclasses import dataclass
from pathlib import Path

from voxelbench.cards import DatasetCard
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare import prepare_cases
from voxelbench.errors import DataError


@dataclass(frozen=True)
class Collection:
    """How a collection names its volumes.

    `name` is a regular expression for the end of a volume's path. Its group `case` is the id of the case; its group
    `patient` is the id of the patient, and where it has none, each volume is a patient of its own.
    """

    name: str = r"(?P<case>[^/]+)\.nii(\.gz)?"

    def prepare(self, raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
        """Prepare every volume that the first line of the card's layout matches.

        Raises DataError for a volume with another name, and for two of one name.
        """
        cases: dict[str, NativeCase] = {}
        for volume in card.layout[0].found(raw):
            case = self._case(volume, raw)
            if case.case_id in cases:
                other = cases[case.case_id].files()[0]
                raise DataError(f"{volume}: case {case.case_id} is also in {other}; expected it once, remove one.")
            cases[case.case_id] = case
        prepare_cases(cases.values(), raw, out, card, grid)

    def _case(self, volume: Path, raw: Path) -> NativeCase:
        path = volume.relative_to(raw).as_posix()
        match = re.search(rf"(?:^|/){self.name}$", path)
        if match is None:
            raise DataError(f"{volume}: expected a path that ends in {self.name}; rename the file, or remove it.")
        named = match.groupdict()
        return NativeCase(named["case"], named.get("patient") or named["case"], (volume,))
