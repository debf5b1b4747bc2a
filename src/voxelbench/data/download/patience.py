"""How long a fetch bears with a source that fails."""

import random
from dataclasses import dataclass

from voxelbench.errors import DataError

_JITTER = random.Random()
"""Spreads the requests of several processes; nothing that is computed depends on it."""


@dataclass(frozen=True)
class Patience:
    """Attempts in a row without a byte that is new, and the seconds between and within them."""

    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 120.0
    timeout_s: float = 60.0
    """Without an answer, or a byte of it."""

    def wait_s(self, n_failures: int, wanted_s: float | None, address: str) -> float:
        """Return how long to wait after the n-th failure: doubled each time, with jitter, or what the source wants.

        Raises DataError if the source wants longer than `longest_wait_s`.
        """
        if wanted_s is not None and wanted_s > self.longest_wait_s:
            raise DataError(f"{address}: the source asks to come back in {wanted_s:.0f} s; run the command again then.")
        if wanted_s is not None:
            return wanted_s
        doubled = min(self.first_wait_s * 2 ** (n_failures - 1), self.longest_wait_s)
        return doubled * _JITTER.uniform(0.5, 1)
