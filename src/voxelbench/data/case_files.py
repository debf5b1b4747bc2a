"""Where a prepared case came from: its native files with their checksums, and what was found and decided on the way."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from voxelbench.atomic import written_whole
from voxelbench.data.native import NativeCase

Sources = dict[str, Any]
"""One line of `sources.jsonl`."""

_MOST_NAMED = 8
"""Of a folder with more files of a case, such as a DICOM series, the whole is described in place of each."""


def describe_files(case: NativeCase, raw: Path) -> list[dict[str, object]]:
    """Return path (relative to `raw`), size and sha256 of every native file of a case; long series as one folder."""
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for file in sorted(set(case.files())):
        by_folder[file.parent].append(file)
    described: list[dict[str, object]] = []
    for folder, files in by_folder.items():
        described += [_series(folder, files, raw)] if len(files) > _MOST_NAMED else [_file(file, raw) for file in files]
    return described


def relative(path: Path, raw: Path) -> str:
    """Return a path as it is written down: relative to `raw`, where it lies in it."""
    return str(path.relative_to(raw)) if path.is_relative_to(raw) else str(path)


def write_sources(path: Path, lines: Iterable[Sources]) -> None:
    """Write one JSON line a case, sorted by case id, whole or not at all."""
    with written_whole(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in sorted(lines, key=lambda line: str(line["case_id"])))


def _file(file: Path, raw: Path) -> dict[str, object]:
    return {"file": relative(file, raw), "n_bytes": file.stat().st_size, "sha256": _sha256(file)}


def _series(folder: Path, files: list[Path], raw: Path) -> dict[str, object]:
    """Describe many files of a folder by one checksum: of the lines that `sha256sum` prints for them, by name."""
    lines = "".join(f"{_sha256(file)}  {file.name}\n" for file in files)
    return {
        "folder": relative(folder, raw),
        "n_files": len(files),
        "n_bytes": sum(file.stat().st_size for file in files),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
