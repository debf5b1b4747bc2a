"""The command that draws."""

import argparse

from voxelbench.commands.parsing import Commands, add_command


def add(commands: Commands) -> None:
    """Add it to the command line."""
    command = add_command(commands, "figure", _figure, "draw a figure, and write the numbers that it shows")
    command.add_argument("figure", help="of config/config.yaml; or a table, drawn as bars (table1 as `overall`)")
    command.add_argument("--budget", help="default: that of the figure's table, else the configured one")


def _figure(options: argparse.Namespace) -> None:
    from voxelbench.report.figures.draw import write_figure

    write_figure(options.figure, options.budget)
