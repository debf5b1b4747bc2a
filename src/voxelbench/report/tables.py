"""A table: one row a method, one group of columns a dataset; empty cells have their reason in `notes`."""

import shutil
from collections.abc import Sequence

import numpy as np
import pandas as pd

from voxelbench import paths, registry
from voxelbench.atomic import write_text
from voxelbench.cards import TaskKind
from voxelbench.config import Column, Table, table_budget, table_config, task_card
from voxelbench.errors import DataError
from voxelbench.expand import RowId, table_rows, table_runs
from voxelbench.report.cells import case_cell, caveats, leaks, reasons, seed_cell
from voxelbench.report.clean import contamination
from voxelbench.report.replace import check_replace
from voxelbench.report.scores import status, write_scores
from voxelbench.resolve import eval_spec
from voxelbench.runs import RANDOM, TOKEN_PROBE, EvalRun

NOTE_SEPARATOR = " | "


def write_table(name: str, budget: str | None, allow_missing: bool, controls: Sequence[str] | None = None) -> None:
    """Write a table of one budget; `controls` are rows besides the configured methods.

    Raises DataError if a run failed or is missing, unless `allow_missing`, which also collects the scores anew.
    """
    budget = table_budget(name, budget)
    if allow_missing:
        write_scores(name, budget, controls)
    runs = table_runs(name, budget, controls)
    absent = [(run, state) for _, run in runs if (state := status(run)).name in ("failed", "missing")]
    if absent and not allow_missing:
        run, state = absent[0]
        raise DataError(f"{name}: {len(absent)} runs have no scores; the first is {run.folder()} ({state.reason}).")
    frame = pd.DataFrame([_row(name, budget, row, runs) for row in table_rows(name, budget, controls)])
    write_text(paths.table(budget, name), frame.to_csv(index=False, float_format="%.2f", lineterminator="\n"))


def _row(name: str, budget: str, identity: RowId, all_runs: list[tuple[Column, EvalRun]]) -> dict[str, object]:
    table, (method, encoder) = table_config(name), identity
    by_column = {column: _runs(all_runs, column, identity) for column in table.columns}
    specs = [eval_spec(run) for runs in by_column.values() for run in runs]
    row: dict[str, object] = {
        "method": method.name,
        "variant": ".".join(part for part in (method.variant, method.ablation) if part),
        "encoder": encoder,
        "track": table.track,
        "budget": budget,
        "data": "+".join(sorted({spec.data for spec in specs})),
        "corpus": "+".join(sorted({spec.corpus for spec in specs})),
        "n_seeds": len({spec.seed for spec in specs}),
    }
    notes: list[str] = []
    values = []
    for column, runs in by_column.items():
        random = _runs(all_runs, column, RowId(RANDOM, encoder))
        cell = seed_cell(runs, random) if table.protocol == TOKEN_PROBE else case_cell(runs)
        row |= {f"{column.name}{suffix}": value for suffix, value in cell.items()}
        is_classified = task_card(column.dataset, column.task).kind == TaskKind.classification
        n_classes = len(registry.dataset_card(column.dataset).classes) if is_classified else 0
        warnings = (*caveats(cell, table.protocol), *leaks(cell, method.variant, n_classes))
        said = (*reasons(runs), *_contaminations(runs), *warnings)
        notes += [f"{column.name}: {note}" for note in said]
        values.append(cell[""])
    if table.average:
        present = [value for value in values if not np.isnan(value)]
        row["average"] = float(np.mean(values)) if len(present) == len(values) else float("nan")
        row["n_datasets"] = len(present)
    row["notes"] = NOTE_SEPARATOR.join([*notes, *_task_notes(table)])
    return row


def _contaminations(runs: list[EvalRun]) -> list[str]:
    """Return what stands against the scores of a cell: test cases in the corpus, or that nobody knows; each once."""
    found = [contamination(run) for run in runs if status(run).name == "ok"]
    said = [
        f"contamination {each.status}{f': {each.reason}' if each.reason else ''}" for each in found if not each.is_clean
    ]
    return list(dict.fromkeys(said))


def _runs(all_runs: list[tuple[Column, EvalRun]], column: Column, row: RowId) -> list[EvalRun]:
    return [run for each, run in all_runs if each == column and RowId(run.pretrain.method, run.pretrain.encoder) == row]


def _task_notes(table: Table) -> list[str]:
    tasks = {column.name: task_card(column.dataset, column.task) for column in table.columns}
    return [f"{name}: {task.note}" for name, task in tasks.items() if task.note]


def publish(name: str, budget: str | None, force: bool) -> None:
    """Copy a budget's table to where users look for it."""
    budget = table_budget(name, budget)
    target = paths.published(name)
    check_replace(target, budget, is_asked=force)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(paths.table(budget, name), target)
