"""The gate: every test case of a task against every case that pretraining on a corpus reads.

Both sides are read on their native grid, whatever grid a method or a recipe asks for: there a copy still has equal
voxels, and fine structure that a coarse grid would take away.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from voxelbench import paths, registry
from voxelbench.config import corpus_config, task_card
from voxelbench.contamination.fingerprint import Fingerprint
from voxelbench.contamination.header import same_grid
from voxelbench.contamination.near import SAME, agreement, likeness
from voxelbench.contamination.record import CLEAN, VERDICTS, CaseVerdict, Report, write_report
from voxelbench.contamination.scan import Scan, scans
from voxelbench.expand import contamination_manifests, gate_dataset

logger = logging.getLogger(__name__)


def match(corpus: str, dataset: str, task: str, fold: int, budget: str) -> Report:
    """Return the verdicts on the test cases of a task; of `unknown` status where a dataset is not prepared."""
    reason = _missing(corpus, dataset, budget)
    known = [] if reason else _corpus_scans(corpus, dataset, budget)
    tested = (
        [] if reason else _test_scans(dataset, task, fold, contamination_manifests(corpus, dataset, budget)[dataset])
    )
    n_corpus = len({scan.name for scan in known})
    return Report(budget, corpus, dataset, task, fold, n_corpus, tuple(judge(tested, known)), reason)


def _missing(corpus: str, dataset: str, budget: str) -> str:
    """Return why the gate cannot match, or nothing."""
    for name, manifest in contamination_manifests(corpus, dataset, budget).items():
        if not manifest.is_file():
            return gate_dataset(name, budget) or f"{name} is not prepared: there is no {manifest}"
    return ""


def _corpus_scans(corpus: str, dataset: str, budget: str) -> list[Scan]:
    manifests = contamination_manifests(corpus, dataset, budget)
    found: list[Scan] = []
    for member in corpus_config(corpus).members:
        split = member.split or registry.dataset_card(member.dataset).default_split
        found += scans(manifests[member.dataset], member.dataset, split, 0, member.part, (member.channel,))
    return found


def _test_scans(dataset: str, task: str, fold: int, manifest: Path) -> list[Scan]:
    card = task_card(dataset, task)
    targets = card.target if isinstance(card.target, tuple) else ()
    channels = dict.fromkeys((*card.inputs, *targets))
    return list(scans(manifest, dataset, card.split, fold, "test", channels))


def judge(tested: Iterable[Scan], known: Iterable[Scan]) -> list[CaseVerdict]:
    """Return the verdict on each test case, given as its channels: the strongest evidence against any known scan.

    The known scans pass by one by one, so that a corpus of any size fits into memory.
    """
    prints = [(scan, scan.fingerprint()) for scan in tested]
    found = {scan.case.case_id: CaseVerdict(scan.case.case_id, CLEAN) for scan, _ in prints}
    for other in known:
        other_print = other.fingerprint()
        for scan, fingerprint in prints:
            before = found[scan.case.case_id]
            if before.verdict in (CLEAN, "near"):
                verdict = compare(scan, fingerprint, other, other_print)
                found[scan.case.case_id] = max(before, verdict, key=_strength)
    return list(found.values())


def compare(scan: Scan, fingerprint: Fingerprint, other: Scan, other_print: Fingerprint) -> CaseVerdict:
    """Return the verdict on one scan against one of the corpus."""
    case_id = scan.case.case_id
    if fingerprint.voxels == other_print.voxels:
        return CaseVerdict(case_id, "exact", other.name)
    if scan.patient == other.patient:
        return CaseVerdict(case_id, "header", other.name)
    one, two = fingerprint.descriptor, other_print.descriptor
    if same_grid(scan.case.shape, scan.case.affine, other.case.shape, other.case.affine):
        score = agreement(one, two, np.zeros(3))
        if score >= SAME:
            return CaseVerdict(case_id, "header", other.name, round(score, 3))
    score = likeness(one, two)
    return CaseVerdict(case_id, "near", other.name, round(score, 3)) if score >= SAME else CaseVerdict(case_id, CLEAN)


def _strength(verdict: CaseVerdict) -> tuple[int, float]:
    return VERDICTS.index(verdict.verdict), verdict.score or 0.0


def write_gate(corpus: str, dataset: str, task: str, fold: int, budget: str) -> Report:
    """Match, write the record, and return it."""
    report = match(corpus, dataset, task, fold, budget)
    path = paths.contamination(budget, corpus=corpus, dataset=dataset, task=task, fold=fold)
    write_report(path, report)
    logger.info("wrote %s", path)
    return report


def describe(report: Report) -> Iterable[str]:
    """Yield lines for a person: the status, and every test case that the corpus holds."""
    reason = f": {report.reason}" if report.reason else ""
    where = f"{report.dataset}.{report.task}, fold {report.fold}"
    yield f"{report.corpus} against {where}: {report.status}{reason}"
    yield f"test cases: {len(report.cases)}; cases in the corpus: {report.n_corpus}"
    for case in report.cases:
        if case.verdict != CLEAN:
            score = "" if case.score is None else f" ({case.score:.2f})"
            yield f"  {case.case_id}: {case.verdict} {case.partner}{score}"
