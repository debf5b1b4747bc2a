"""Everything that is wrong with a leaderboard, without its cases: cells, names, and values that stand twice."""

from pathlib import Path

from voxelbench.errors import DataError
from voxelbench.leaderboard.names import wrong_names
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.report.schema import parse_table


def problems(path: Path, new_method: str | None = None) -> list[str]:
    """Return one sentence for each thing that is wrong with a leaderboard, by line; `new_method` has no folder here."""
    try:
        rows, found = parse_table(path, LeaderboardRow)
    except DataError as error:
        return [str(error)]
    first: dict[tuple[object, ...], int] = {}
    for line, row in rows:
        found += [(line, f"{path}: line {line}: {clause}") for clause in wrong_names(row, new_method)]
        if first.setdefault(row.key, line) != line:
            what = f"{row.system} on {row.dataset}, {row.metric}"
            found.append((line, f"{path}: line {line} repeats line {first[row.key]} ({what}); keep one."))
    return [sentence for _, sentence in sorted(found, key=lambda problem: problem[0])]
