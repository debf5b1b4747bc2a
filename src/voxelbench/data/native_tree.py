"""What lies in a folder of native data: one walk, whatever the dataset."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from voxelbench.data.download.partial import SUFFIX


@dataclass(frozen=True)
class NativeTree:
    """Files without hidden ones (macOS puts `._*` beside each); what was stopped before its end; unreadable folders."""

    files: list[Path] = field(default_factory=list)
    stopped: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)


def walk(raw: Path) -> NativeTree:
    """Return what lies in `raw`, sorted; nothing if there is no such folder. A stopped unpacking is not looked into."""
    tree = NativeTree()
    for place, folders, names in os.walk(raw, onerror=lambda error: tree.unreadable.append(Path(error.filename))):
        folder = Path(place)
        tree.stopped.extend(folder / name for name in (*folders, *names) if name.endswith(SUFFIX))
        tree.files.extend(folder / name for name in names if not name.startswith(".") and not name.endswith(SUFFIX))
        folders[:] = (name for name in folders if not name.endswith(SUFFIX))
    return NativeTree(*map(sorted, (tree.files, tree.stopped, tree.unreadable if raw.exists() else [])))
