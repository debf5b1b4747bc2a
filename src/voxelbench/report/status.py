"""Whether a run has scores, and if not, why."""

import json
from dataclasses import dataclass
from pathlib import Path

from voxelbench import paths
from voxelbench.expand import gate
from voxelbench.runs import EvalRun


@dataclass(frozen=True)
class Status:
    """Whether a run has scores (`ok`), and if not, why: `gated`, `failed` or `missing`."""

    name: str
    reason: str = ""


def status(run: EvalRun) -> Status:
    """Return the state of a run, from its files and its gate."""
    if (run.folder() / paths.CASES).is_file():
        return Status("ok")
    reason = gate(run)
    if reason:
        return Status("gated", reason)
    for folder in (run.folder(), run.pretrain.folder()):
        if (folder / paths.FAILED).is_file():
            return Status("failed", _failure(folder / paths.FAILED))
    return Status("missing", "not run")


def _failure(path: Path) -> str:
    return f"failed: {json.loads(path.read_text(encoding='utf-8'))['reason']}"
