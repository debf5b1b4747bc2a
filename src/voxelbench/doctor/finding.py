"""One line of the doctor's report."""

from typing import NamedTuple


class Finding(NamedTuple):
    """What was looked at, whether it is as it should be, and what was found."""

    is_good: bool
    what: str
    text: str

    @property
    def mark(self) -> str:
        """Two letters or dashes in front of the line."""
        return "ok" if self.is_good else "--"

    def __str__(self) -> str:
        return f"{self.mark}  {self.what}: {self.text}"
