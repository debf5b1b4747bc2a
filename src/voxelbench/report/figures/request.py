"""What is asked of a kind of figure."""

from dataclasses import dataclass

from voxelbench.figure_settings import FigureSettings


@dataclass(frozen=True)
class Request:
    """One figure that is asked for: its name, what the config says of it, and the budget whose results it shows."""

    name: str
    settings: FigureSettings
    budget: str
