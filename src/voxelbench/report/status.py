"""Whether a run has scores, and if not, why."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from voxelbench import paths
from voxelbench.expand import gate
from voxelbench.runs import EvalRun, PretrainRun


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
    return _failure(run.folder(), run.pretrain.folder())


def pretrain_status(run: PretrainRun, users: Iterable[EvalRun]) -> Status:
    """Return the state of a pretraining run: it is gated where all the evaluations that would use it are."""
    if (run.folder() / paths.BACKBONE).is_file():
        return Status("ok")
    reasons = [gate(user) for user in users]
    if reasons and reasons[0] and all(reasons):
        return Status("gated", reasons[0])
    return _failure(run.folder())


def _failure(*folders: Path) -> Status:
    for path in (folder / paths.FAILED for folder in folders):
        if path.is_file():
            return Status("failed", f"failed: {json.loads(path.read_text(encoding='utf-8'))['reason']}")
    return Status("missing", "not run")
