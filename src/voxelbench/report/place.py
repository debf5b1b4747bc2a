"""What a budget made is copied to where users look; never over another budget's unasked."""

import csv
import shutil
from pathlib import Path

from voxelbench import paths
from voxelbench.config import read_config, table_budget
from voxelbench.errors import ConfigError, DataError
from voxelbench.figure_inputs import figure_budget

_FIGURES = "figures/"
"""What names of figures begin with here."""


def place(name: str, budget: str | None, force: bool) -> None:
    """Copy what a budget made under `name`, in all its formats, to where users look: `table1`, `figures/overall`.

    The budget is by default a table's own, or that of a figure's table, else the configured one. Raises ConfigError if
    that would replace another budget's and `force` is not set, DataError if there is nothing of that name.
    """
    budget = _budget(name, budget)
    made = paths.made(budget, name)
    if not made:
        raise DataError(f"{paths.table(budget, name)}: not made yet; make it with `make {paths.placed(name)}`.")
    check_replace(paths.placed(name), budget, is_asked=force)
    for source in made:
        target = paths.placed(name, source.suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _budget(name: str, asked: str | None) -> str:
    figure = name.removeprefix(_FIGURES)
    if figure != name:
        return figure_budget(figure, asked)
    return table_budget(name, asked) if name in read_config().tables else asked or read_config().budget


def check_replace(placed: Path, budget: str, is_asked: bool) -> None:
    """Raise ConfigError if the table `placed` is of another budget and nobody asked to replace it."""
    if is_asked or not placed.is_file():
        return
    with placed.open(newline="", encoding="utf-8") as file:
        held = {row.get("budget", "") for row in csv.DictReader(file)} - {budget, ""}
    if held:
        mine = paths.table(budget, str(placed.relative_to(paths.RESULTS).with_suffix("")))
        raise ConfigError(
            f"{placed} holds the {held.pop()} budget, this run has the {budget} budget. "
            f"Look at {mine} instead, or replace it with `--config replace=true`."
        )
