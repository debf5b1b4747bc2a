"""The command that makes the static site."""

import argparse
import logging

from voxelbench.commands.parsing import Commands, add_command

logger = logging.getLogger("voxelbench")


def add(commands: Commands) -> None:
    """Add it to the command line."""
    command = add_command(commands, "site", _site, "make the static site: leaderboard, cells and their runs")
    command.add_argument("--budget", help="of all tables (default: each table's own, else the configured one)")


def _site(options: argparse.Namespace) -> None:
    from voxelbench.report.site.render import write_site

    logger.info("wrote %s", write_site(options.budget))
