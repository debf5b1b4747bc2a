"""Commands on data: fetch, synthesise, prepare, match against a corpus."""

import argparse
import logging
from pathlib import Path

from voxelbench.commands.parsing import Commands, add_command

logger = logging.getLogger(__name__)


def add(commands: Commands) -> None:
    """Add them to the command line."""
    command = add_command(commands, "download", _download, "fetch an open dataset, or say how to come to a gated one")
    command.add_argument("dataset")
    command.add_argument("--raw", type=Path, help="folder for the native layout (default: under data_root)")

    command = add_command(commands, "phantom", _phantom, "write the synthetic twin of a dataset in its native layout")
    command.add_argument("dataset")
    command.add_argument("--out", type=Path, required=True, help="folder for the native layout")

    command = add_command(commands, "prepare", _prepare, "turn a native layout into checked cases on one grid")
    command.add_argument("dataset")
    command.add_argument("--raw", type=Path, required=True, help="folder with the native layout")
    command.add_argument("--out", type=Path, required=True, help="folder for the prepared cases")
    command.add_argument("--grid", default="native", help="'native' or a spacing in mm (default: native)")
    command.add_argument("--workers", type=int, default=1, help="cases prepared side by side (default: 1)")

    command = add_command(commands, "contamination", _contamination, "say which test cases of a task a corpus holds")
    command.add_argument("corpus", help="a corpus of config/config.yaml, e.g. ct")
    command.add_argument("task", help="dataset or dataset.task, e.g. btcv or ct_samples.organs (default: its first)")
    command.add_argument("--fold", type=int, default=0)
    command.add_argument("--budget", help="whose data: real or synthetic (default: the configured one)")


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


def _contamination(options: argparse.Namespace) -> None:
    from voxelbench import registry
    from voxelbench.config import read_config, task_card
    from voxelbench.contamination.gate import describe, write_gate

    dataset, _, task = options.task.partition(".")
    first = next((card.name for card in registry.dataset_card(dataset).tasks), "")
    task = task_card(dataset, task or first).name
    report = write_gate(options.corpus, dataset, task, options.fold, options.budget or read_config().budget)
    print("\n".join(describe(report)))
