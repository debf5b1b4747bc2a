"""What a run left in its folder. Older runs and failed ones leave less: everything here may be absent."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxelbench import paths
from voxelbench.command_line import command, rebuild_command
from voxelbench.report.site.curve import Curve, read_curve
from voxelbench.runs import EvalRun, PretrainRun

N_LOG_LINES = 20
LOG_WIDTH = 160


@dataclass(frozen=True)
class Run:
    """One run: where it lies, what was asked (`spec`), what came of it (`record`), and what it wrote meanwhile.

    `commands` make it anew: the workflow's with all that it needs, and its own.
    """

    folder: Path
    title: str
    commands: tuple[str, str]
    record: dict[str, Any] = field(default_factory=dict)
    spec: str = ""
    failure: str = ""
    log: str = ""
    n_log_lines: int = 0
    curves: tuple[Curve, ...] = ()
    examples: Path | None = None

    def spec_beside(self, first: "Run") -> str:
        """Return the lines of the spec that differ from another run's, as a diff without context."""
        lines = difflib.unified_diff(first.spec.splitlines(), self.spec.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def read_run(run: EvalRun | PretrainRun) -> Run:
    """Read what is in the folder of a run."""
    folder = run.folder()
    log = _text(folder / paths.LOG).splitlines()
    return Run(
        folder=folder,
        title=_title(run),
        commands=(rebuild_command(run), command(run)),
        record=_json(folder / paths.RUN),
        spec=_text(folder / paths.SPEC),
        failure=str(_json(folder / paths.FAILED).get("reason", "")),
        log=_tail(log),
        n_log_lines=len(log),
        curves=read_curve(folder / paths.LOSSES),
        examples=folder / paths.EXAMPLES if (folder / paths.EXAMPLES).is_file() else None,
    )


def _title(run: EvalRun | PretrainRun) -> str:
    if isinstance(run, EvalRun):
        return f"Fold {run.fold}, seed {run.pretrain.seed}"
    return f"{run.method} on {run.corpus}, seed {run.seed}"


def _tail(lines: Sequence[str]) -> str:
    cut = (line if len(line) <= LOG_WIDTH else f"{line[: LOG_WIDTH - 1]}…" for line in lines[-N_LOG_LINES:])
    return "\n".join(cut)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _json(path: Path) -> dict[str, Any]:
    content = json.loads(_text(path) or "{}")
    return content if isinstance(content, dict) else {}
