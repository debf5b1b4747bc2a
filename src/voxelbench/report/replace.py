"""A published table is never replaced by one of another budget unasked: a demo must not overwrite days of work."""

import csv
from pathlib import Path

from voxelbench import paths
from voxelbench.errors import ConfigError


def check_replace(published: Path, budget: str, is_asked: bool) -> None:
    """Raise ConfigError if `published` holds another budget's table and nobody asked to replace it."""
    if is_asked or not published.is_file():
        return
    with published.open(newline="", encoding="utf-8") as file:
        held = {row.get("budget", "") for row in csv.DictReader(file)} - {budget, ""}
    if held:
        raise ConfigError(
            f"{published} holds the {held.pop()} budget, this run has the {budget} budget. "
            f"Look at {paths.table(budget, published.stem)} instead, or replace it with `--config replace=true`."
        )
