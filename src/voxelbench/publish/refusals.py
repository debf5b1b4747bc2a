"""Why results are not fit to be published: each reason is one sentence, and all of them are said at once."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from voxelbench import paths
from voxelbench.code_version import CodeVersion
from voxelbench.config import read_budget
from voxelbench.expand import table_runs
from voxelbench.publish.evidence import Evidence, Run, files, record, runs_of
from voxelbench.runs import EvalRun

MIN_SEEDS = 3
"""Fewer seeds tell nothing of what varies between them."""

_UNFINISHED = (paths.CHECKPOINT, paths.SELECTED, paths.WORK, paths.FAILED, "*.partial")
"""What lies in the folder of a run that goes on, or that broke off when it was made again."""


def refusals(evidence: Evidence, tree: CodeVersion, several_commits: str) -> list[str]:
    """Return every reason against publishing; `several_commits` says why the numbers of different code agree."""
    return [
        *_demo(evidence),
        *_changed_tree(tree),
        *_incomplete(evidence),
        *_few_seeds(evidence),
        *_not_run(evidence),
        *_unmatched(evidence),
        *_unfinished(evidence),
        *_other_specs(evidence),
        *_code_of_runs(evidence, several_commits),
    ]


def _demo(evidence: Evidence) -> Iterator[str]:
    if read_budget(evidence.budget).data == "phantom":
        yield f"budget {evidence.budget} runs on synthetic twins and ranks no method; publish a budget on real data."
        return
    for table, scores in evidence.scores.items():
        if phantoms := runs_of(scores[scores["data"] == "phantom"]):
            yield f"{table}: {_counted(phantoms)} on synthetic data; take its column out of the table."


def _changed_tree(tree: CodeVersion) -> Iterator[str]:
    if tree.commit is None:
        yield "git knows no commit of this checkout; publish from a clone."
    elif tree.n_changed:
        changed = f"{tree.n_changed} changed in {', '.join(paths.CODE)}"
        yield f"commit {tree.commit[:12]} is not what is here, {changed}; commit or undo it."


def _incomplete(evidence: Evidence) -> Iterator[str]:
    """Yield what a declared table lacks: a file, or runs that the config asks for and the scores do not know."""
    for table, scores in evidence.scores.items():
        for path in (paths.table(evidence.budget, table), paths.case_scores(evidence.budget, table)):
            if not path.is_file():
                yield f"{table}: {path} is missing; make the table again."
        known = set(runs_of(scores))
        if absent := [run for _, run in table_runs(table, evidence.budget) if run not in known]:
            yield f"{table}: {_counted(absent)} asked for by the config and not in its scores; make it again."


def _few_seeds(evidence: Evidence) -> Iterator[str]:
    for table, scores in evidence.scores.items():
        seeds = sorted(set(scores["seed"]))
        if len(seeds) < MIN_SEEDS:
            named = ", ".join(map(str, seeds))
            more = f"{MIN_SEEDS} are the fewest; add to `seeds` of {paths.config_file()}"
            yield f"{table}: its seeds are {named}, and {more}."


def _not_run(evidence: Evidence) -> Iterator[str]:
    """Yield the runs that nobody accounts for; a gated or a failed one has its reason in the table."""
    for table, scores in evidence.scores.items():
        if absent := runs_of(scores[scores["status"] == "missing"]):
            yield f"{table}: {_counted(absent)} missing; run what is missing, or take its row or column out."


def _unmatched(evidence: Evidence) -> Iterator[str]:
    for table, scores in evidence.scores.items():
        rows = scores[(scores["status"] == "ok") & scores["contamination"].str.startswith("unknown")]
        if unknown := runs_of(rows):
            said = rows["contamination"].iloc[0]
            yield f"{table}: {_counted(unknown)} not matched with its corpus ({said}); see docs/contamination.md."


def _unfinished(evidence: Evidence) -> Iterator[str]:
    for run in evidence.runs.values():
        for path in files(run):
            if not path.is_file():
                yield f"{path} is missing; run it again."
        for left in sorted(path for pattern in _UNFINISHED for path in run.folder().glob(pattern)):
            yield f"{left} tells of a run that is not finished; let it finish, or delete it."


def _other_specs(evidence: Evidence) -> Iterator[str]:
    """Yield the runs whose folder holds another run than the one that a table, or an evaluation, stands on."""
    for table, scores in evidence.scores.items():
        asked = scores[scores["status"] == "ok"].groupby("spec_sha256")
        found = ((run, sha256, _sha256(run.folder() / paths.SPEC)) for sha256, rows in asked for run in runs_of(rows))
        if others := [run for run, sha256, left in found if left not in ("", sha256)]:
            yield f"{table}: {_counted(others)} of another spec than its scores; make the table again."
    changed = dict.fromkeys(run.pretrain for run in evidence.evaluations() if not _is_from_its_pretraining(run))
    if changed:
        yield f"{_counted(list(changed))} of another spec than the evaluations of its weights; run these again."


def _is_from_its_pretraining(run: EvalRun) -> bool:
    spec, pretrained = run.folder() / paths.SPEC, run.pretrain.folder() / paths.SPEC
    if run.pretrain.weights() is None or not spec.is_file() or not pretrained.is_file():
        return True  # a missing file is a reason of its own
    return bool(yaml.safe_load(spec.read_text(encoding="utf-8"))["pretrain_sha256"] == _sha256(pretrained))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _code_of_runs(evidence: Evidence, several_commits: str) -> Iterator[str]:
    made_by = {run: code_of(run) for run in evidence.runs.values()}
    if unknown := [run for run, code in made_by.items() if code.commit is None or code.n_changed is None]:
        yield f"{_counted(unknown)} of no known commit; run it in a clone."
    if changed := [run for run, code in made_by.items() if code.n_changed]:
        yield f"{_counted(changed)} of code that no commit holds (`code` in {paths.RUN}); commit it, run again."
    n_runs = Counter(code.commit[:12] for code in made_by.values() if code.commit)
    if len(n_runs) > 1 and not several_commits:
        named = ", ".join(f"{n} by {commit}" for commit, n in sorted(n_runs.items()))
        yield f"runs were made by {len(n_runs)} commits, {named}; say with --several-commits why their numbers agree."


def code_of(run: Run) -> CodeVersion:
    """Return the code that made a run, as it says."""
    said = record(run).get("code") or {}
    return CodeVersion(said.get("commit"), said.get("n_changed"))


def _counted(runs: Sequence[Run]) -> str:
    """Return "results/... is", or "3 runs, the first results/..., are"."""
    first = str(runs[0].folder())
    return f"{first} is" if len(runs) == 1 else f"{len(runs)} runs, the first {first}, are"
