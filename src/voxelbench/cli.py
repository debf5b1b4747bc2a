"""The command line. Every rule of the workflow is one of these lines, so each job can be pasted into a shell.

Modules are imported inside the commands: a command that does not train must not wait for torch.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from voxelbench import __version__
from voxelbench.errors import VoxelbenchError
from voxelbench.runs import Protocol, Selection
from voxelbench.training import torchrun

logger = logging.getLogger("voxelbench")

Command = Callable[[argparse.Namespace], int | None]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status. An error that a user can mend is printed as one sentence, once."""
    options = _parser().parse_args(arguments)
    # Libraries speak up when something is wrong; voxelbench reports its progress.
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
    logger.setLevel(logging.INFO if torchrun.is_main() else logging.ERROR)
    command: Command = options.command
    try:
        return command(options) or 0
    except VoxelbenchError as error:
        if torchrun.is_first_to_fail():
            print(f"voxelbench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("voxelbench: interrupted; what is finished is kept, run the same line to go on.", file=sys.stderr)
        return 130


def _download(options: argparse.Namespace) -> None:
    from voxelbench import paths, registry
    from voxelbench.config import read_config
    from voxelbench.data.source import download_dataset
    from voxelbench.doctor.data import summary

    registry.dataset_card(options.dataset)
    raw = options.raw or paths.raw(read_config().data_root, options.dataset, "real")
    download_dataset(options.dataset, raw)
    logger.info(summary(options.dataset, raw))


def _phantom(options: argparse.Namespace) -> None:
    from voxelbench.data.source import write_twin

    write_twin(options.dataset, options.out)


def _prepare(options: argparse.Namespace) -> None:
    from voxelbench import registry
    from voxelbench.data.grid import parse_grid
    from voxelbench.data.source import refuse_unfinished
    from voxelbench.data.workers import workers

    plugin = registry.load_dataset(options.dataset)
    refuse_unfinished(options.raw)
    with workers(options.workers):
        plugin.prepare(options.raw, options.out, registry.dataset_card(options.dataset), parse_grid(options.grid))


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


def _contamination(options: argparse.Namespace) -> None:
    from voxelbench import registry
    from voxelbench.config import read_config, task_card
    from voxelbench.contamination.gate import describe, write_gate

    dataset, _, task = options.task.partition(".")
    first = next((card.name for card in registry.dataset_card(dataset).tasks), "")
    task = task_card(dataset, task or first).name
    report = write_gate(options.corpus, dataset, task, options.fold, options.budget or read_config().budget)
    print("\n".join(describe(report)))


def _import_weights(options: argparse.Namespace) -> None:
    from voxelbench.config import read_encoder
    from voxelbench.encoders.upstream import import_weights, layout

    preset = read_encoder(options.encoder or layout(options.method).encoder)
    import_weights(options.method, options.checkpoint, preset, options.out, options.branch)


def _export(options: argparse.Namespace) -> None:
    from voxelbench.encoders.export import export

    export(options.backbone, options.out)


def _scores(options: argparse.Namespace) -> None:
    from voxelbench.report.scores import write_scores

    write_scores(options.table, options.budget, options.controls)


def _table(options: argparse.Namespace) -> None:
    from voxelbench.report.tables import write_table

    write_table(options.table, options.budget, options.allow_missing, options.controls)


def _figure(options: argparse.Namespace) -> None:
    from voxelbench.report.figures import draw_table

    draw_table(options.table, options.budget)


def _publish(options: argparse.Namespace) -> None:
    from voxelbench.report.tables import publish

    publish(options.table, options.budget, options.force)


def _show(options: argparse.Namespace) -> None:
    from voxelbench.report.show import show

    show(options.csv)


def _doctor(options: argparse.Namespace) -> int:
    from voxelbench.doctor import examine

    return examine(options.names)


def _check(options: argparse.Namespace) -> int:
    from voxelbench.checks import check_method

    results = check_method(options.method)
    for result in results:
        print(f"{'pass' if result.passed else 'FAIL'}  {result.name}{': ' + result.message if result.message else ''}")
    return int(not all(result.passed for result in results))


def _new(options: argparse.Namespace) -> None:
    from voxelbench.scaffold import new_plugin

    print(new_plugin(f"{options.kind}s", options.name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="voxelbench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = _add(commands, "download", _download, "fetch an open dataset, or say how to come to a gated one")
    command.add_argument("dataset")
    command.add_argument("--raw", type=Path, help="folder for the native layout (default: under data_root)")

    command = _add(commands, "phantom", _phantom, "write the synthetic twin of a dataset in its native layout")
    command.add_argument("dataset")
    command.add_argument("--out", type=Path, required=True, help="folder for the native layout")

    command = _add(commands, "prepare", _prepare, "turn a native layout into checked cases on one grid")
    command.add_argument("dataset")
    command.add_argument("--raw", type=Path, required=True, help="folder with the native layout")
    command.add_argument("--out", type=Path, required=True, help="folder for the prepared cases")
    command.add_argument("--grid", default="native", help="'native' or a spacing in mm (default: native)")
    command.add_argument("--workers", type=int, default=1, help="cases prepared side by side (default: 1)")

    command = _add(commands, "pretrain", _pretrain, "pretrain a method on a corpus")
    command.add_argument("method", help="name[.variant[.ablation]], e.g. s2dc.code")
    command.add_argument("--corpus", required=True)
    _add_run_options(command)

    command = _add(commands, "evaluate", _evaluate, "finetune or probe, and score, one task of one dataset")
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

    command = _add(commands, "contamination", _contamination, "say which test cases of a task a corpus holds")
    command.add_argument("corpus", help="a corpus of config/config.yaml, e.g. ct")
    command.add_argument("task", help="dataset or dataset.task, e.g. btcv or ct_samples.organs (default: its first)")
    command.add_argument("--fold", type=int, default=0)
    command.add_argument("--budget", help="whose data: real or synthetic (default: the configured one)")

    command = _add(commands, "import-weights", _import_weights, "turn a released checkpoint into a backbone")
    command.add_argument("method", help="whose checkpoint it is, e.g. voco")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("--out", type=Path, required=True, help="the backbone to write")
    command.add_argument("--encoder", help="a file of config/encoders (default: the one that the authors trained)")
    command.add_argument("--branch", choices=("student", "teacher"), default="", help="default: the authors' choice")

    command = _add(commands, "export", _export, "write a backbone's weights under their public names, with a card")
    command.add_argument("backbone", type=Path)
    command.add_argument("--out", type=Path, required=True, help="folder for the weights and their card")

    for name, function, text in (
        ("scores", _scores, "collect the scores of all runs behind a table"),
        ("table", _table, "make a table from its scores"),
        ("figure", _figure, "draw a table as bars"),
        ("publish", _publish, "copy a table of a budget to where it is looked for"),
    ):
        command = _add(commands, name, function, text)
        command.add_argument("table", help="a table of config/config.yaml, e.g. table1")
        command.add_argument("--budget", default=None, help="default: the table's own, else the configured one")
        if name in ("scores", "table"):
            command.add_argument("--controls", nargs="+", help="rows besides the configured methods, e.g. nnunet")
        if name == "table":
            command.add_argument(
                "--allow-missing", action="store_true", help="say why cells are empty instead of failing"
            )
        if name == "publish":
            command.add_argument("--force", action="store_true", help="let a demo table replace a full one")

    command = _add(commands, "show", _show, "print a table for a person")
    command.add_argument("csv", type=Path)

    command = _add(commands, "doctor", _doctor, "say what this machine has, what is missing, and what to do next")
    command.add_argument("names", nargs="*", help="datasets or corpora to tell all about (default: one line of each)")

    command = _add(commands, "check", _check, "run the contract checks on a method")
    command.add_argument("method", help="its name, or name.variant")

    command = _add(commands, "new", _new, "start a plug-in from its template")
    command.add_argument("kind", choices=("method", "dataset"))
    command.add_argument("name")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, function: Command, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=function)
    return command


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--budget", required=True, help="a file of config/budgets, e.g. demo")
    command.add_argument("--encoder", help="a file of config/encoders (default: the budget's)")
    command.add_argument("--seed", type=int, default=0)
