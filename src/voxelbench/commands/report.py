"""Commands that make tables of runs."""

import argparse
from pathlib import Path

from voxelbench.commands.parsing import Command, Commands, add_command

_BUDGET = "default: the table's own, else the configured one"


def add(commands: Commands) -> None:
    """Add them to the command line."""
    command = _add_of_table(commands, "scores", _scores, "collect the scores of all runs behind a table")
    _add_controls(command)

    _add_of_table(commands, "compare", _compare, "test the rows of a table against scratch and against the best")

    command = _add_of_table(commands, "table", _table, "make a table from its scores")
    _add_controls(command)
    command.add_argument("--allow-missing", action="store_true", help="say why cells are empty instead of failing")

    command = _add_of_table(commands, "cost", _cost, "say what the runs behind a table took")
    _add_controls(command)

    command = add_command(commands, "place", _place, "copy what a budget made to where it is looked for")
    command.add_argument("name", help="a table of config/config.yaml, or what else it made, e.g. delta")
    command.add_argument("--budget", help=_BUDGET)
    command.add_argument("--force", action="store_true", help="let one budget's replace another's")

    command = add_command(commands, "show", _show, "print a table for a person")
    command.add_argument("csv", type=Path)


def _add_of_table(commands: Commands, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    parser = add_command(commands, name, command, text)
    parser.add_argument("table", help="a table of config/config.yaml, e.g. table1")
    parser.add_argument("--budget", help=_BUDGET)
    return parser


def _add_controls(command: argparse.ArgumentParser) -> None:
    command.add_argument("--controls", nargs="+", help="rows besides the configured methods, e.g. nnunet")


def _scores(options: argparse.Namespace) -> None:
    from voxelbench.report.scores import write_scores

    write_scores(options.table, options.budget, options.controls)


def _compare(options: argparse.Namespace) -> None:
    from voxelbench.report.compare import write_comparisons

    write_comparisons(options.table, options.budget)


def _table(options: argparse.Namespace) -> None:
    from voxelbench.report.tables import write_table

    write_table(options.table, options.budget, options.allow_missing, options.controls)


def _cost(options: argparse.Namespace) -> None:
    from voxelbench.report.cost import write_cost

    write_cost(options.table, options.budget, options.controls)


def _place(options: argparse.Namespace) -> None:
    from voxelbench.report.place import place

    place(options.name, options.budget, options.force)


def _show(options: argparse.Namespace) -> None:
    from voxelbench.report.show import show

    show(options.csv)
