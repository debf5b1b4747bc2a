"""Errors that a user can mend: one sentence with the file, the value, what was expected, and the remedy."""

import difflib
from collections.abc import Iterable, Sequence


class VoxelbenchError(Exception):
    """Base of every error that the command line prints as one sentence, without a traceback."""


class ConfigError(VoxelbenchError):
    """A config file, card or command-line value is wrong."""


class DataError(VoxelbenchError):
    """A volume, label, manifest or corpus is missing, damaged or not what its card says."""


class AccessRequired(VoxelbenchError):
    """A dataset cannot be fetched without a login or an agreement; the message says the steps to take."""


class ChecksumError(DataError):
    """A fetched file is not the one that the card names."""


class NothingToDraw(DataError):
    """A figure has nothing to show on this machine, where data are gated, say; its picture says why."""


class TrainingError(VoxelbenchError):
    """A run cannot go on: its loss is not finite, or its checkpoint does not fit."""


class PublicationRefused(VoxelbenchError):
    """Results are not fit to be published; the message has every reason, a line each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("not published:\n" + "\n".join(f"- {reason}" for reason in reasons))
        self.reasons = tuple(reasons)


def nearest(value: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known name closest to `value`, else the list of known names."""
    names = sorted(str(name) for name in known)
    close = difflib.get_close_matches(value, names, n=1)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""
