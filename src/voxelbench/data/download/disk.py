"""Room on the disk, looked for before it runs out."""

import shutil
from pathlib import Path

from voxelbench.errors import DataError


def check_space(folder: Path, n_bytes: int, what: str) -> None:
    """Check that `n_bytes` more fit on the disk of `folder`, which need not exist yet. Raises DataError."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if n_bytes > free:
        raise DataError(
            f"{what}: needs {n_bytes / 1e9:.1f} GB more on the disk of {folder}, which has {free / 1e9:.1f} GB free; "
            "make room or choose another folder."
        )
