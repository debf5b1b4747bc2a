"""Commands on the checkout and its plug-ins."""

import argparse

from voxelbench.commands.parsing import Commands, add_command


def add(commands: Commands) -> None:
    """Add them to the command line."""
    command = add_command(
        commands, "doctor", _doctor, "say what this machine has, what is missing, and what to do next"
    )
    command.add_argument("names", nargs="*", help="datasets or corpora to tell all about (default: one line of each)")

    command = add_command(commands, "check", _check, "run the contract checks on a method")
    command.add_argument("method", help="its name, or name.variant")

    command = add_command(commands, "new", _new, "start a plug-in from its template")
    command.add_argument("kind", choices=("method", "dataset"))
    command.add_argument("name")


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
