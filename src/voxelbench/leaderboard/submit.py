"""A leaderboard from somebody else: believed where its cases give every number of it, refused with all reasons else."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from voxelbench import paths, registry
from voxelbench.atomic import write_text
from voxelbench.errors import VoxelbenchError
from voxelbench.leaderboard.cases import SubmittedCase, cases_text
from voxelbench.leaderboard.file import leaderboard_text
from voxelbench.leaderboard.rescore import refusals, rescored
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.leaderboard.validate import problems
from voxelbench.report.schema import parse_table
from voxelbench.resolve import eval_spec, spec_sha256
from voxelbench.runs import EvalRun, MethodId, PretrainRun


class Submission(NamedTuple):
    """Where a leaderboard was kept, or why it was not."""

    path: Path | None
    reasons: list[str]


def submit(csv: Path, cases_csv: Path, new_method: str | None = None) -> Submission:
    """Score a leaderboard again and keep it, with its cases, if nothing speaks against it; nothing is written else.

    Raises DataError if the cases are no table.
    """
    reasons = problems(csv, new_method)
    cases, wrong = parse_table(cases_csv, SubmittedCase)
    reasons += [said for _, said in wrong]
    if reasons:
        return Submission(None, reasons)
    rows, _ = parse_table(csv, LeaderboardRow)
    values = [case for _, case in cases]
    reasons = [f"{csv}: line {line}: {reason}." for line, row in rows for reason in _refusals(row, values)]
    reasons += _shape([row for _, row in rows], values, csv, cases_csv)
    if reasons:
        return Submission(None, reasons)
    believed = [rescored(row, [case for case in values if case.is_behind(row)]) for _, row in rows]
    return Submission(_keep(believed, values), [])


def _refusals(row: LeaderboardRow, cases: Sequence[SubmittedCase]) -> list[str]:
    reasons = refusals(row, cases)
    return reasons or _wrong_specs(row, {case.seed for case in cases if case.is_behind(row)})


def _wrong_specs(row: LeaderboardRow, seeds: set[int]) -> list[str]:
    """Return a reason if the runs of a method of this checkout are not those that the row's budget asks for."""
    if row.method not in registry.names("methods"):
        return []
    try:
        asked = {_spec_sha256(row, int(fold), seed) for fold in row.fold.split("+") for seed in seeds}
    except VoxelbenchError as error:
        return [str(error).rstrip(".")]
    said = set(row.spec_sha256s.split())
    return [] if said == asked else [f"spec_sha256s are not those that budget {row.budget} asks for in this version"]


def _spec_sha256(row: LeaderboardRow, fold: int, seed: int) -> str:
    assert row.protocol != "" and row.protocol != "linear" and row.selection, "the cases say the same, and say it"
    method = MethodId(row.method, row.variant, row.ablation)
    pretrain = PretrainRun(row.budget, row.corpus, method, row.encoder, seed)
    run = EvalRun(row.dataset, row.task, fold, pretrain, row.protocol, row.selection, row.fraction)
    return spec_sha256(eval_spec(run))


def _shape(rows: Sequence[LeaderboardRow], cases: Sequence[SubmittedCase], csv: Path, cases_csv: Path) -> list[str]:
    """Return what is wrong with a submission as a whole."""
    found = []
    methods = sorted({row.method for row in rows})
    if len(methods) != 1:
        found.append(f"{csv}: has {len(methods)} methods ({', '.join(methods)}), expected one; submit each by itself.")
    idle = [case for case in cases if not any(case.is_behind(row) for row in rows)]
    if idle:
        named = f"{idle[0].case_id}, fold {idle[0].fold}, seed {idle[0].seed}"
        found.append(f"{cases_csv}: {len(idle)} cases are behind no row, the first is {named}; add that row.")
    return found


def _keep(rows: Sequence[LeaderboardRow], cases: Sequence[SubmittedCase]) -> Path:
    """Write rows and cases under a name that their bytes decide."""
    texts = leaderboard_text(rows), cases_text(cases)
    sha8 = hashlib.sha256("".join(texts).encode()).hexdigest()[:8]
    path = paths.submitted_leaderboard(rows[0].method, sha8)
    for each, text in zip((path, paths.submitted_cases(path)), texts, strict=True):
        write_text(each, text)
    return path
