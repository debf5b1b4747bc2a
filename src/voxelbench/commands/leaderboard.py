"""Commands of the leaderboard, and the comparison with published values."""

import argparse
from pathlib import Path

from voxelbench.commands.parsing import Commands, add_command


def add(commands: Commands) -> None:
    """Add them to the command line."""
    command = add_command(commands, "delta", _delta, "put our values beside published ones, each with a verdict")
    command.add_argument("--budget", help="default: the configured one")

    text = "export our values, check a leaderboard, or add one after scoring it again"
    parser = commands.add_parser("leaderboard", help=text, description=text)
    kinds = parser.add_subparsers(required=True, metavar="COMMAND")

    command = add_command(kinds, "export", _export, "write our values in the leaderboard's schema")
    command.add_argument("--budget", help="default: the configured one")
    command.add_argument("--force", action="store_true", help="let one budget's replace another's")

    command = add_command(kinds, "validate", _validate, "say everything that is wrong with a leaderboard")
    command.add_argument("csv", type=Path)
    _add_new_method(command)

    command = add_command(kinds, "add", _submit, "score a leaderboard again from its cases, and keep it if it is right")
    command.add_argument("csv", type=Path)
    command.add_argument("--cases", type=Path, required=True, help="the value of each test case (docs/leaderboard.md)")
    _add_new_method(command)

    add_command(commands, "schemas", _schemas, "write the JSON Schemas of all tidy tables into the checkout")


def _add_new_method(command: argparse.ArgumentParser) -> None:
    command.add_argument("--new-method", help="name of a method that is no folder of methods/")


def _delta(options: argparse.Namespace) -> None:
    from voxelbench.leaderboard.export import write_delta

    write_delta(options.budget)


def _export(options: argparse.Namespace) -> None:
    from voxelbench.leaderboard.export import export_leaderboard

    export_leaderboard(options.budget, options.force)


def _validate(options: argparse.Namespace) -> int:
    from voxelbench.leaderboard.validate import problems

    found = problems(options.csv, options.new_method)
    print("\n".join(found) or f"{options.csv}: nothing is wrong.")
    return int(bool(found))


def _submit(options: argparse.Namespace) -> int:
    from voxelbench.leaderboard.submit import submit

    result = submit(options.csv, options.cases, options.new_method)
    print("\n".join(result.reasons) or f"wrote {result.path} and the cases beside it.")
    return int(bool(result.reasons))


def _schemas(_: argparse.Namespace) -> None:
    from voxelbench import paths
    from voxelbench.leaderboard.schemas import export_schemas

    export_schemas(paths.schemas())
