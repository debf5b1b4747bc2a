"""Any CSV as a table of a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from voxelbench.report.site.sources import Row


@dataclass(frozen=True)
class Sheet:
    """Any CSV as a table: what all rows share is said once, in `shared`; columns without a value are left out."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    shared: Row

    def is_number(self, name: str) -> bool:
        """Whether all that a column holds are numbers."""
        return all(_is_number(row[name]) for row in self.rows)


def _is_number(text: str) -> bool:
    try:
        float(text or "0")
    except ValueError:
        return False
    return True


def build_sheet(rows: Sequence[Row], names: Sequence[str] | None = None) -> Sheet:
    """Return rows as a sheet; `names` are the columns to show, by default all."""
    values = {name: {row[name] for row in rows} for name in (names or rows[0] if rows else ())}
    shared = {name: found.pop() for name, found in values.items() if len(found) == 1 and len(rows) > 1}
    columns = tuple(name for name in values if name not in shared)
    return Sheet(columns, tuple(rows), {name: value for name, value in shared.items() if value})
