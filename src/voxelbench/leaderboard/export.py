"""What the tables of a budget say to the outside: our leaderboard, and the comparison with published values."""

import pandas as pd

from voxelbench import __version__, paths
from voxelbench.atomic import write_text
from voxelbench.config import leaderboard_tables, read_config
from voxelbench.leaderboard.delta import delta
from voxelbench.leaderboard.delta_view import view_delta
from voxelbench.leaderboard.file import read_leaderboard, write_leaderboard
from voxelbench.leaderboard.measured import Measured, read_measured
from voxelbench.report.place import check_replace
from voxelbench.report.shown import write_renderings


def export_leaderboard(budget: str | None, force: bool) -> None:
    """Write our values. Raises ConfigError if that would replace another budget's and `force` is not set."""
    budget = budget or read_config().budget
    path = paths.own_leaderboard(__version__)
    check_replace(path, budget, is_asked=force)
    write_leaderboard(path, _measured(budget).rows)


def write_delta(budget: str | None) -> None:
    """Write published values beside ours, as CSV, Markdown and LaTeX."""
    budget = budget or read_config().budget
    published = read_leaderboard(paths.published_leaderboard())
    frame = delta(published, _measured(budget))
    path = paths.delta(budget)
    fractions = frame["fraction"].map("{:g}".format)
    write_text(path, frame.assign(fraction=fractions).to_csv(index=False, float_format="%.2f", lineterminator="\n"))
    write_renderings(path, view_delta(pd.read_csv(path, dtype=str).fillna("")))


def _measured(budget: str) -> Measured:
    return read_measured(leaderboard_tables(budget), budget)
