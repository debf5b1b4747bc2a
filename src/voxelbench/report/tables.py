"""A table: one row a method, one group of columns a dataset; empty cells have their reason in `notes`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from voxelbench import paths, registry
from voxelbench.atomic import write_text
from voxelbench.cards import TaskKind
from voxelbench.config import Column, table_budget, table_config, task_card
from voxelbench.errors import DataError
from voxelbench.expand import RowId, table_rows
from voxelbench.report.cells import GROUP, Cell, caveats, compared_cell, leaks, seed_cell
from voxelbench.report.compare import write_comparisons
from voxelbench.report.schema import read_case_scores, read_comparisons, read_scores
from voxelbench.report.scores import write_scores
from voxelbench.report.shown import write_renderings
from voxelbench.report.table_view import NOTE_SEPARATOR, view_table
from voxelbench.runs import RANDOM, TOKEN_PROBE


def write_table(name: str, budget: str | None, allow_missing: bool, controls: Sequence[str] | None = None) -> None:
    """Write a table of one budget from its scores, as CSV, Markdown and LaTeX.

    `controls` are rows besides the configured methods. Raises DataError if a run failed or is missing, unless
    `allow_missing`, which also collects the scores anew.
    """
    budget = table_budget(name, budget)
    if allow_missing:
        write_scores(name, budget, controls)
        write_comparisons(name, budget)
    scores = read_scores(paths.scores(budget, name))
    absent = scores[scores["status"].isin(["failed", "missing"])]
    if len(absent) and not allow_missing:
        first = absent.iloc[0]
        raise DataError(
            f"{name}: {len(absent)} runs have no scores; the first is {first['method']} on {first['column']}, "
            f"seed {first['seed']}, fold {first['fold']} ({first['reason']})."
        )
    cases = read_case_scores(paths.case_scores(budget, name))
    compared = read_comparisons(paths.comparisons(budget, name))
    frame = table_frame(name, table_rows(name, budget, controls), scores, cases, compared)
    path = paths.table(budget, name)
    write_text(path, frame.to_csv(index=False, float_format="%.2f", lineterminator="\n"))
    write_renderings(path, view_table(name, pd.read_csv(path, dtype=str).fillna("")))


def table_frame(
    name: str, rows: list[RowId], scores: pd.DataFrame, cases: pd.DataFrame, compared: pd.DataFrame
) -> pd.DataFrame:
    """Return a table from the scores of its runs and of their cases, and what statistics say of its cells."""
    frame = pd.DataFrame([_row(name, row, scores, cases, compared) for row in rows])
    return frame.astype({str(column): "Int64" for column in frame if str(column).endswith((GROUP, "_n"))})


def _row(
    name: str, identity: RowId, all_scores: pd.DataFrame, all_cases: pd.DataFrame, all_compared: pd.DataFrame
) -> dict[str, object]:
    table, (method, encoder) = table_config(name), identity
    scores, cases, compared = (_of_row(frame, identity) for frame in (all_scores, all_cases, all_compared))
    random = _of_row(all_cases, RowId(RANDOM, encoder)) if method != RANDOM else all_cases[:0]
    row: dict[str, object] = {
        "method": method.name,
        "variant": method.variation,
        "encoder": encoder,
        "track": table.track,
        "protocol": table.protocol,
        "selection": table.selection if table.protocol == "finetune" else "last",
        "budget": "+".join(sorted(set(scores["budget"]))),
        "data": "+".join(sorted(set(scores["data"]))),
        "corpus": "+".join(sorted(set(scores["corpus"]))),
        "n_seeds": scores["seed"].nunique(),
    }
    notes: list[str] = []
    values = []
    for column in table.columns:
        of_column = scores[scores["column"] == column.name]
        reasons = _reasons(of_column)
        if table.protocol == TOKEN_PROBE:
            known = cases[cases["column"] == column.name] if not reasons else cases[:0]
            cell = seed_cell(known, random[random["column"] == column.name])
            warnings = caveats(cell)
        else:
            statistics = compared[compared["column"] == column.name]
            cell = compared_cell(statistics)
            warnings = [*_statistical_notes(statistics), *_leaks(cell, method.variant, column)]
        row |= {f"{column.name}{suffix}": value for suffix, value in cell.items()}
        notes += [f"{column.name}: {note}" for note in (*reasons, *_contaminations(of_column), *warnings)]
        values.append(cell[""])
    if table.average:
        present = [value for value in values if not np.isnan(value)]
        row["average"] = float(np.mean(values)) if len(present) == len(values) else float("nan")
        row["n_datasets"] = len(present)
    tasks = {column.name: task_card(column.dataset, column.task) for column in table.columns}
    notes += [f"{column}: {task.note}" for column, task in tasks.items() if task.note]
    row["notes"] = NOTE_SEPARATOR.join(notes)
    return row


def _of_row(frame: pd.DataFrame, identity: RowId) -> pd.DataFrame:
    """Return the rows of one row of a table, of scores (which have a column `ablation`) or of comparisons."""
    method, encoder = identity
    variant = (frame["variant"] + "." + frame["ablation"]).str.strip(".") if "ablation" in frame else frame["variant"]
    return frame[(frame["method"] == method.name) & (variant == method.variation) & (frame["encoder"] == encoder)]


def _reasons(scores: pd.DataFrame) -> list[str]:
    """Return why runs of a cell have no scores, each reason once."""
    if scores.empty:
        return ["not among the scores; collect them again"]
    return list(dict.fromkeys(scores.loc[scores["status"] != "ok", "reason"]))


def _contaminations(scores: pd.DataFrame) -> list[str]:
    """Return what stands against the scores of a cell: test cases in the corpus, or that nobody knows; each once."""
    found = scores.loc[(scores["status"] == "ok") & (scores["contamination"] != "clean"), "contamination"]
    return [f"contamination {each}" for each in dict.fromkeys(found)]


def _statistical_notes(compared: pd.DataFrame) -> list[str]:
    return [note for notes in compared["notes"] for note in notes.split(NOTE_SEPARATOR) if note]


def _leaks(cell: Cell, variant: str, column: Column) -> list[str]:
    is_classified = task_card(column.dataset, column.task).kind == TaskKind.classification
    return leaks(cell, variant, len(registry.dataset_card(column.dataset).classes) if is_classified else 0)
