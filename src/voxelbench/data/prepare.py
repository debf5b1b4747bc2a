"""From native cases to a prepared folder: checked, in RAS, on one grid, in physical units.

The manifest is written last, so a folder with a manifest is complete. A preparation that was stopped, by a user, a kill
or a bad case, keeps its finished cases and goes on from there; one that is complete does nothing when it is run again.
"""

import csv
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from voxelbench import paths
from voxelbench.atomic import written_whole
from voxelbench.cards import DatasetCard
from voxelbench.data.case_files import write_sources
from voxelbench.data.case_progress import counting
from voxelbench.data.grid import NATIVE
from voxelbench.data.journal import Entry, fingerprints, holds_only, read_finished, recording, write_journal
from voxelbench.data.manifest import write_manifest
from voxelbench.data.native import NativeCase
from voxelbench.data.prepare_case import prepare_case
from voxelbench.data.workers import outcomes
from voxelbench.errors import DataError

logger = logging.getLogger(__name__)


def prepare_cases(cases: Iterable[NativeCase], raw: Path, out: Path, card: DatasetCard, grid: str | float) -> None:
    """Prepare every case and write the manifest; inside `workers(n)`, n cases side by side, to the same bytes.

    Raises DataError if a case is bad: the first one's sentence, after all good ones are finished and kept.
    """
    listed = list(cases)
    _check_list(listed, raw, card, grid)
    wanted = fingerprints(listed, raw, card, grid)
    finished = read_finished(out, wanted)
    if len(finished) == len(listed) and paths.manifest(out).exists() and holds_only(out, finished.values()):
        logger.info("%s: all %d cases are prepared and nothing has changed; nothing to do.", card.name, len(listed))
        return
    _clear(out)
    todo = [case for case in listed if case.case_id not in finished]
    refused: dict[str, DataError] = {}
    with recording(out, finished.values()) as journal, counting(card.name, len(todo)) as advance:
        work = partial(prepare_case, raw=raw, out=out, card=card, grid=grid)
        for case, outcome in outcomes(work, todo):
            if isinstance(outcome, DataError):
                refused[case.case_id] = outcome
            else:
                finished[case.case_id] = Entry(wanted[case.case_id], *outcome)
                journal.write(finished[case.case_id].line())
            advance()
    write_journal(out, finished.values())
    if refused:
        raise _refusal([(case.case_id, refused[case.case_id]) for case in todo if case.case_id in refused], out)
    write_sources(paths.sources(out), (entry.sources for entry in finished.values()))
    write_manifest(paths.manifest(out), [entry.row for entry in finished.values()])


def _check_list(cases: Sequence[NativeCase], raw: Path, card: DatasetCard, grid: str | float) -> None:
    if not cases:
        raise DataError(
            f"{raw}: no case of {card.name} found. Expected its native layout; see datasets/{card.name}/README.md."
        )
    if not card.has_spacing and grid != NATIVE:
        raise DataError(f"{card.name} has no spacing, so it cannot be put on a grid of {grid} mm; use `--grid native`.")
    case_id, n_times = Counter(case.case_id for case in cases).most_common(1)[0]
    if n_times > 1:
        raise DataError(f"{raw}: {n_times} cases of {card.name} are called {case_id}, expected one; remove the others.")


def _clear(out: Path) -> None:
    """Take away what says that the folder is complete, and what a kill left half written."""
    out.mkdir(parents=True, exist_ok=True)
    for path in (paths.manifest(out), paths.sources(out), paths.refused_cases(out), *out.glob("*.partial")):
        path.unlink(missing_ok=True)


def _refusal(refused: list[tuple[str, DataError]], out: Path) -> DataError:
    """List all bad cases in a file, and return the first one's sentence with how many more there are."""
    path = paths.refused_cases(out)
    with written_whole(path) as partial_file, partial_file.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("case_id", "reason"), *refused])
    first, n_more = refused[0][1], len(refused) - 1
    more = f" {n_more} more of its cases are refused: {path} lists all." if n_more else ""
    return DataError(f"{first}{more}")
