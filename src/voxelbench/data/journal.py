"""What a preparation has finished so far, so that it goes on where it was stopped and never does a case twice."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from voxelbench import paths, registry
from voxelbench.atomic import write_text
from voxelbench.cards import DatasetCard
from voxelbench.data.case_files import Sources, relative
from voxelbench.data.manifest import Row
from voxelbench.data.native import NativeCase
from voxelbench.errors import ConfigError

PREPARATION = 1
"""One more when the engine writes other voxels for the same native files, whatever the dataset."""


@dataclass(frozen=True)
class Entry:
    """A finished case: its row of the manifest, where it came from, and the state that it was prepared in."""

    fingerprint: str
    row: Row
    sources: Sources

    def line(self) -> str:
        """Return the entry as one line of JSON, with a checksum of the rest."""
        values = {"fingerprint": self.fingerprint, "row": asdict(self.row), "sources": self.sources}
        return json.dumps({"sha256": _digest(json.dumps(values)), **values}) + "\n"


def fingerprints(cases: Iterable[NativeCase], raw: Path, card: DatasetCard, grid: str | float) -> dict[str, str]:
    """Return, by case id, what stays equal as long as preparing the case again would give the same.

    It covers the native files by size and time of change, the card's version, the grid, and the dataset's own code.
    """
    fixed = (PREPARATION, card.version, str(grid), _code(card.name))
    return {case.case_id: _digest((fixed, case.target, _stamps(case, raw))) for case in cases}


def _stamps(case: NativeCase, raw: Path) -> list[tuple[str, int, int]]:
    stats = [(file, file.stat()) for file in case.files() if file.exists()]
    return [(relative(file, raw), stat.st_size, stat.st_mtime_ns) for file, stat in stats]


def _code(dataset: str) -> str:
    try:
        sources = registry.sources("datasets", dataset)
    except ConfigError:  # a card that belongs to no plug-in
        return ""
    return _digest([file.read_bytes() for file in sources if file.suffix == ".py"])


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def read_finished(out: Path, wanted: Mapping[str, str]) -> dict[str, Entry]:
    """Return the finished cases by id, of those whose fingerprint is the wanted one and whose volumes are there."""
    path = paths.journal(out)
    lines = path.read_bytes().splitlines() if path.exists() else []
    entries = [entry for entry in map(_parse, lines) if entry and wanted.get(entry.row.case_id) == entry.fingerprint]
    return {entry.row.case_id: entry for entry in entries if _is_there(out, entry.row)}


def _parse(line: bytes) -> Entry | None:
    """Read a line; one that a kill cut off, that is damaged, or of another version, is no entry."""
    try:
        values = json.loads(line)
        if values.pop("sha256") != _digest(json.dumps(values)):
            return None
        row: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values["row"].items()
        }
        return Entry(values["fingerprint"], Row(**row), values["sources"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _is_there(out: Path, row: Row) -> bool:
    return all((out / name).is_file() for name in (row.image, row.label) if name)


@contextmanager
def recording(out: Path, finished: Iterable[Entry]) -> Iterator[TextIO]:
    """Yield the journal, open for more lines; what is in it that no longer holds is dropped first."""
    write_journal(out, finished)
    with paths.journal(out).open("a", encoding="utf-8", buffering=1) as journal:
        yield journal


def holds_only(out: Path, entries: Iterable[Entry]) -> bool:
    """Whether the journal lists these entries and no other, as it does once a preparation is complete."""
    return paths.journal(out).read_bytes() == _text(entries).encode()


def write_journal(out: Path, entries: Iterable[Entry]) -> None:
    """Write the entries by case id, whole or not at all."""
    write_text(paths.journal(out), _text(entries))


def _text(entries: Iterable[Entry]) -> str:
    return "".join(entry.line() for entry in sorted(entries, key=lambda entry: entry.row.case_id))
