"""What of a dataset is on this machine, what is missing, and what is wrong with it, by the card's layout."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from voxelbench import paths
from voxelbench.cards import DatasetCard, Expected
from voxelbench.data.download.archive import is_archive
from voxelbench.data.download.partial import SUFFIX
from voxelbench.data.native_tree import NativeTree, walk
from voxelbench.data.phantom import MARK as PHANTOM
from voxelbench.data.source import MARK

_VOLUMES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".npy", ".dcm", ".ima", ".png", ".jpg")
_MOST_NAMED = 3


@dataclass(frozen=True)
class Count:
    """How many files or folders of one kind are there; `expected` says how many the card wants, if it does."""

    expected: Expected
    n: int

    @property
    def is_short(self) -> bool:
        """Whether some are missing, as far as the card tells."""
        return self.n < (self.expected.n or 1)

    @property
    def is_exceeded(self) -> bool:
        """Whether there are more than the release has."""
        return self.expected.n is not None and self.n > self.expected.n

    def __str__(self) -> str:
        of_all = "" if self.expected.n is None else f" of {self.expected.n}"
        return f"{self.n}{of_all} {self.expected.what}"


@dataclass(frozen=True)
class Inventory:
    """The real data of one dataset: `raw` holds its native layout, the data root what is prepared of it."""

    card: DatasetCard
    raw: Path
    data_root: Path

    @cached_property
    def tree(self) -> NativeTree:
        """All that lies in `raw`."""
        return walk(self.raw)

    @cached_property
    def counts(self) -> tuple[Count, ...]:
        """What each line of the card's layout finds."""
        return tuple(Count(expected, len(self._found[expected])) for expected in self.card.layout)

    @property
    def missing(self) -> tuple[Count, ...]:
        """The lines of the layout of which something is missing."""
        return tuple(count for count in self.counts if count.is_short)

    @property
    def is_absent(self) -> bool:
        """Whether there is nothing at all."""
        return not self.wrong and not any(count.n for count in self.counts)

    @property
    def is_complete(self) -> bool:
        """Whether all that the card expects is there and nothing is wrong."""
        return not self.missing and not self.wrong

    @cached_property
    def wrong(self) -> tuple[str, ...]:
        """What somebody has to mend, in sentences without their full stop."""
        if self.raw.exists() and not self.raw.is_dir():
            return (f"{self.raw} is a file, expected a folder",)
        looks = (self._unreadable, self._twin, self._stopped, self._packed, self._too_many, self._misnamed)
        return tuple(problem for look in looks for problem in look())

    @property
    def packed(self) -> list[Path]:
        """Archives, if what they should have held is missing."""
        return [file for file in self.tree.files if is_archive(file.name)] if self.missing else []

    @cached_property
    def grids(self) -> dict[str, str | None]:
        """The prepared grids, each with what is wrong with it."""
        any_grid = self.prepared("*")
        prefix = any_grid.name.removesuffix("*")
        folders = sorted(any_grid.parent.glob(any_grid.name))
        return {folder.name.removeprefix(prefix): _problem(folder, self.card) for folder in folders}

    def prepared(self, grid: str) -> Path:
        """Return where the dataset is prepared on a grid."""
        return paths.prepared(self.data_root, self.card.name, "real", grid)

    @cached_property
    def _found(self) -> dict[Expected, list[Path]]:
        return {
            expected: [path for path in expected.found(self.raw) if not any(map(_is_stopped, path.parts))]
            for expected in self.card.layout
        }

    def _unreadable(self) -> Iterator[str]:
        for folder in self.tree.unreadable:
            yield f"{folder} cannot be read; check its permissions"

    def _twin(self) -> Iterator[str]:
        mark = self.raw / MARK
        if mark.is_file() and mark.read_text(encoding="utf-8", errors="replace").startswith(PHANTOM):
            yield "the synthetic twin lies where the real data belong; remove it"

    def _stopped(self) -> Iterator[str]:
        for path in self.tree.stopped:
            yield f"{self._name(path)} did not come to its end"

    def _packed(self) -> Iterator[str]:
        if self.packed:
            yield f"{self._named(self.packed)}: not unpacked"

    def _too_many(self) -> Iterator[str]:
        for count in self.counts:
            if count.is_exceeded:
                yield f"{count}: another release, or two"

    def _misnamed(self) -> Iterator[str]:
        """Yield the volumes under other names, if a line of the layout finds nothing at all."""
        if all(count.n for count in self.counts):
            return
        known = {path for found in self._found.values() for path in found}
        volumes = (file for file in self.tree.files if file.name.lower().endswith(_VOLUMES))
        others = [file for file in volumes if known.isdisjoint((file, *file.parents))]
        if others:
            yield f"{self._named(others)}: not the names of the expected release"

    def _name(self, path: Path) -> str:
        return path.relative_to(self.raw).as_posix()

    def _named(self, files: Sequence[Path]) -> str:
        more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
        return ", ".join(map(self._name, files[:_MOST_NAMED])) + more


def take_inventory(card: DatasetCard, data_root: Path, raw: Path | None = None) -> Inventory:
    """Return what of a dataset lies under the data root, or in `raw` where its native data lie elsewhere."""
    return Inventory(card, raw or paths.raw(data_root, card.name, "real"), data_root)


def _is_stopped(name: str) -> bool:
    return name.endswith(SUFFIX)


def _problem(prepared: Path, card: DatasetCard) -> str | None:
    """Return what is wrong with a prepared folder, or None."""
    if not paths.manifest(prepared).is_file():
        refused = paths.refused_cases(prepared)
        return f"has refused cases, see {refused}" if refused.is_file() else "did not come to its end"
    if not paths.sources(prepared).is_file():
        return "was prepared by an older voxelbench"
    with paths.sources(prepared).open(encoding="utf-8") as file:
        version = json.loads(file.readline())["card"]
    return None if version == card.version else f"was prepared for version {version} of the card, now {card.version}"
