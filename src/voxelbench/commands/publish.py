"""Commands that hand results to others."""

import argparse
from pathlib import Path

from voxelbench.commands.parsing import Commands, add_command


def add(commands: Commands) -> None:
    """Add them to the command line."""
    command = add_command(commands, "publish", _publish, "write results with all their evidence as an RO-Crate")
    command.add_argument("--out", type=Path, required=True, help="the folder to write, new or a crate of ours")
    command.add_argument("--budget", help="default: the configured one")
    command.add_argument(
        "--table", nargs="+", default=(), help="tables of config/config.yaml (default: all that are made)"
    )
    command.add_argument("--weights", action="store_true", help="put the pretrained backbones in, too")
    command.add_argument("--several-commits", default="", metavar="REASON", help="why runs of several commits agree")


def _publish(options: argparse.Namespace) -> None:
    from voxelbench.config import read_config
    from voxelbench.publish.crate import publish

    budget = options.budget or read_config().budget
    publish(options.out, budget, tuple(options.table), options.weights, options.several_commits)
    print(f"wrote {options.out}")
