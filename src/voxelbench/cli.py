"""The command line. Every rule of the workflow is one of these lines, so each job can be pasted into a shell.

What the commands are stands in `voxelbench.commands`. They import their modules when they run: a command that does not
train must not wait for torch.
"""

import argparse
import logging
import sys

from voxelbench import __version__
from voxelbench.commands import data, figures, leaderboard, plugins, publish, report, run, site
from voxelbench.commands.parsing import Command
from voxelbench.errors import VoxelbenchError
from voxelbench.training import torchrun

logger = logging.getLogger("voxelbench")


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="voxelbench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for kind in (data, run, report, figures, leaderboard, site, publish, plugins):
        kind.add(commands)
    return parser
