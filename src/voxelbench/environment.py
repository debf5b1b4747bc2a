"""The environments of external methods, which bring packages that do not go with the engine's own. No torch here.

The environment of a method is a virtual environment that `make NAME` makes, or conda's `workflow/envs/NAME.yaml`.
"""

import os
import sys
from importlib.util import find_spec

from voxelbench import paths
from voxelbench.cards import MethodCard
from voxelbench.errors import ConfigError


def missing(card: MethodCard) -> str | None:
    """Return why a method cannot run on this machine, or None: its package is neither here nor in its environment."""
    if _is_here(card) or paths.interpreter(card.name).is_file():
        return None
    return f"{card.name} needs {card.package} in an environment of its own; `make {card.name}` makes it"


def enter(card: MethodCard) -> None:
    """Start this command anew in the environment of a method; return if its package is here.

    Raises ConfigError if there is no such environment, or if it lacks the package.
    """
    if _is_here(card):
        return
    reason = missing(card)
    if reason:
        raise ConfigError(f"{reason}.")
    python = paths.interpreter(card.name)
    if sys.prefix == str(python.parents[1]):
        raise ConfigError(
            f"{python.parents[1]} holds no {card.package}; delete it, and make it with `make {card.name}`."
        )
    os.execv(python, (str(python), "-m", "voxelbench", *sys.argv[1:]))


def _is_here(card: MethodCard) -> bool:
    return card.package is None or find_spec(card.package) is not None
