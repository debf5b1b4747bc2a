"""Commands that train and score: pretraining, evaluation, and weights in and out."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from voxelbench.commands.parsing import Commands, add_command
from voxelbench.runs import Protocol, Selection
from voxelbench.training import torchrun

logger = logging.getLogger(__name__)


def add(commands: Commands) -> None:
    """Add them to the command line."""
    command = add_command(commands, "pretrain", _pretrain, "pretrain a method on a corpus")
    command.add_argument("method", help="name[.variant[.ablation]], e.g. s2dc.code")
    command.add_argument("--corpus", required=True)
    _add_run_options(command)

    text = "finetune or probe, and score, one task of one dataset"
    command = add_command(commands, "evaluate", _evaluate, text)
    command.add_argument("dataset")
    command.add_argument("--task", required=True)
    command.add_argument("--method", required=True, help="name[.variant[.ablation]], e.g. scratch")
    command.add_argument("--corpus", help="what the method was pretrained on (default: nothing)")
    command.add_argument("--fold", type=int, default=0)
    command.add_argument(
        "--protocol",
        choices=get_args(Protocol),
        default="finetune",
        help="train all weights (default), or classify the tokens of the frozen encoder",
    )
    command.add_argument(
        "--selection",
        choices=get_args(Selection),
        help="whose scores choose the weights: held-out cases' (default), the test cases', or none: the last weights",
    )
    command.add_argument("--fraction", type=float, default=1.0, help="share of the training patients (default: all)")
    _add_run_options(command)

    command = add_command(commands, "analyse", _analyse, "measure the tokens of frozen encoders, for figures")
    command.add_argument("analysis", help="an analysis of config/config.yaml, e.g. similarity")
    command.add_argument("--budget", help="whose encoders and data (default: the configured budget)")

    command = add_command(commands, "import-weights", _import_weights, "turn a released checkpoint into a backbone")
    command.add_argument("method", help="whose checkpoint it is, e.g. voco")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("--out", type=Path, required=True, help="the backbone to write")
    command.add_argument("--encoder", help="a file of config/encoders (default: the one that the authors trained)")
    command.add_argument("--branch", choices=("student", "teacher"), default="", help="default: the authors' choice")

    command = add_command(
        commands, "export", _export, "write a backbone's weights under their public names, with a card"
    )
    command.add_argument("backbone", type=Path)
    command.add_argument("--out", type=Path, required=True, help="folder for the weights and their card")


def _pretrain(options: argparse.Namespace) -> None:
    from voxelbench.config import read_budget
    from voxelbench.runs import MethodId, PretrainRun

    budget = read_budget(options.budget)
    torchrun.start(budget.processes)
    encoder = options.encoder or budget.encoder
    run = PretrainRun(budget.name, options.corpus, MethodId.parse(options.method), encoder, options.seed)

    from voxelbench.pretrain.run import pretrain

    _run(run.folder(), lambda: pretrain(run))


def _evaluate(options: argparse.Namespace) -> None:
    from voxelbench import environment, registry
    from voxelbench.config import read_budget, task_card
    from voxelbench.runs import NO_CORPUS, OWN_NETWORK, EvalRun, MethodId, PretrainRun

    task_card(options.dataset, options.task)
    method = MethodId.parse(options.method)
    card = registry.method_card(method.name)
    encoder = OWN_NETWORK if card.is_external else options.encoder or read_budget(options.budget).encoder
    corpus = options.corpus or NO_CORPUS
    pretrained = PretrainRun(options.budget, corpus, method, encoder, options.seed)
    selection: Selection = options.selection or ("harness" if options.protocol == "finetune" else "last")
    run = EvalRun(
        options.dataset, options.task, options.fold, pretrained, options.protocol, selection, options.fraction
    )

    def work() -> None:
        environment.enter(card)

        from voxelbench.evaluate.run import evaluate

        evaluate(run)

    _run(run.folder(), work)


def _run(folder: Path, work: Callable[[], None]) -> None:
    """Do the work of a run; a failure leaves its reason in the run's folder."""
    from voxelbench.provenance import write_failure

    folder.mkdir(parents=True, exist_ok=True)
    try:
        work()
    except Exception as error:
        if torchrun.is_first_to_fail():
            write_failure(folder, error)
        raise
    logger.info("wrote %s", folder)


def _analyse(options: argparse.Namespace) -> None:
    from voxelbench import paths
    from voxelbench.analysis.run import analyse
    from voxelbench.config import read_config

    budget = options.budget or read_config().budget
    analyse(options.analysis, budget)
    logger.info("wrote %s", paths.analysis(budget, options.analysis))


def _import_weights(options: argparse.Namespace) -> None:
    from voxelbench.config import read_encoder
    from voxelbench.encoders.upstream import import_weights, layout

    preset = read_encoder(options.encoder or layout(options.method).encoder)
    import_weights(options.method, options.checkpoint, preset, options.out, options.branch)


def _export(options: argparse.Namespace) -> None:
    from voxelbench.encoders.export import export

    export(options.backbone, options.out)


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--budget", required=True, help="a file of config/budgets, e.g. demo")
    command.add_argument("--encoder", help="a file of config/encoders (default: the budget's)")
    command.add_argument("--seed", type=int, default=0)
