"""What the contamination gate says of a run: whether its pretraining saw the cases that it is tested on."""

import hashlib

from voxelbench import paths
from voxelbench.contamination.record import Report, read_report
from voxelbench.resolve import pretrain_spec, spec_sha256
from voxelbench.runs import EvalRun


def contamination(run: EvalRun) -> Report:
    """Return the gate's record on a run: `clean` without pretraining, `unknown`, with a reason, if it tells nothing."""
    path = run.contamination()
    if path is None:
        return _without_record(run)
    if not path.is_file():
        return _without_record(run, "not matched yet")
    if not _is_own_pretraining(run):
        return _without_record(run, f"the weights are of no pretraining on {run.pretrain.corpus} by this harness")
    return read_report(path)


def _without_record(run: EvalRun, reason: str = "") -> Report:
    pretrain = run.pretrain
    return Report(pretrain.budget, pretrain.corpus, run.dataset, run.task, run.fold, 0, (), reason)


def _is_own_pretraining(run: EvalRun) -> bool:
    """Whether the folder of the weights holds the spec of this pretraining; imported weights leave none."""
    path = run.pretrain.folder() / paths.SPEC
    expected = spec_sha256(pretrain_spec(run.pretrain))
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == expected
