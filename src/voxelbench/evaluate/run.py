"""An evaluation run, by its protocol."""

from collections.abc import Callable

from voxelbench import registry
from voxelbench.evaluate.case_probe import probe_cases
from voxelbench.evaluate.external import evaluate_external
from voxelbench.evaluate.finetune import finetune
from voxelbench.evaluate.token_probe import probe_tokens
from voxelbench.runs import EvalRun, Protocol

PROTOCOLS: dict[Protocol, Callable[[EvalRun], None]] = {
    "finetune": finetune,
    "token_probe": probe_tokens,
    "case_probe": probe_cases,
}


def evaluate(run: EvalRun) -> None:
    """Do one evaluation run and write its folder."""
    is_external = registry.method_card(run.pretrain.method.name).is_external
    work = evaluate_external if is_external else PROTOCOLS[run.protocol]
    work(run)
