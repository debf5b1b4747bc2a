"""The record of the gate: one verdict a test case, one status a task; JSON beside the results."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from voxelbench.atomic import write_text

Verdict = Literal["clean", "near", "header", "exact"]
"""Nothing found; alike wherever it lies; the same patient, or the same grid and alike on it; equal voxels."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""From the weakest evidence to the strongest."""

CLEAN: Literal["clean"] = "clean"


@dataclass(frozen=True)
class CaseVerdict:
    """What was found for one test case: its partner in the corpus (`dataset/case`), and how alike the two are."""

    case_id: str
    verdict: Verdict
    partner: str = ""
    score: float | None = None


@dataclass(frozen=True)
class Report:
    """One corpus against the test cases of one task and fold. With a `reason` nothing could be matched."""

    budget: str
    corpus: str
    dataset: str
    task: str
    fold: int
    n_corpus: int
    cases: tuple[CaseVerdict, ...]
    reason: str = ""

    @property
    def overlap(self) -> frozenset[str]:
        """The ids of the test cases that the corpus holds."""
        return frozenset(case.case_id for case in self.cases if case.verdict != CLEAN)

    @property
    def is_clean(self) -> bool:
        """Whether it is known that the corpus holds no test case."""
        return not self.reason and not self.overlap

    @property
    def status(self) -> str:
        """`clean`, `overlap (k cases)` or `unknown`."""
        if self.reason:
            return "unknown"
        n = len(self.overlap)
        return CLEAN if self.is_clean else f"overlap ({n} case{'s' if n > 1 else ''})"


def write_report(path: Path, report: Report) -> None:
    """Write a record, whole or not at all; equal reports give equal bytes."""
    write_text(path, json.dumps({"status": report.status, **asdict(report)}, indent=2) + "\n")


def read_report(path: Path) -> Report:
    """Read a record back."""
    values = json.loads(path.read_text(encoding="utf-8"))
    values.pop("status")
    values["cases"] = tuple(CaseVerdict(**case) for case in values["cases"])
    return Report(**values)
