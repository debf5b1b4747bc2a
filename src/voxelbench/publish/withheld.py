"""What a crate leaves out because a dataset's card forbids it: pictures of cases, and tables with a row a subject."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd

from voxelbench import paths, registry
from voxelbench.publish.contents import FIGURE_SUFFIXES, Item, datasets
from voxelbench.publish.evidence import Evidence

_OF_ONE_CASE = {"case_id", "slices", "x"}
"""Columns of the numbers of a figure that shows single cases: names, slices, places in the body."""


def withhold(items: list[Item], evidence: Evidence) -> tuple[list[Item], dict[str, str]]:
    """Return the items that may be passed on, and by place what is left out of the others, and why."""
    private = {name for name in datasets(evidence) if not registry.dataset_card(name).lists_subjects}
    absent = _pictures_of_cases(items) | _rows_of_subjects(evidence, private)
    tidy = {paths.case_scores(evidence.budget, table) for table in evidence.tables}
    records = {run.contamination() for run in evidence.evaluations()}
    kept, said = [], {}
    for item in items:
        if item.path in absent:
            said[item.place] = f"not here, {absent[item.path]}"
            continue
        edit = _without_rows if item.path in tidy else _without_subjects if item.path in records else None
        text = edit(item, private) if edit else None
        if text is not None:
            said[item.place] = f"without the subjects of {', '.join(sorted(private))}, which may not be listed"
        kept.append(item if text is None else replace(item, text=text))
    return kept, said


def _rows_of_subjects(evidence: Evidence, private: set[str]) -> dict[Path, str]:
    """Return the files of runs with a row a subject of a private dataset, and why they are left out."""
    runs = [run for run in evidence.evaluations() if run.dataset in private]
    return {run.folder() / paths.CASES: f"subjects of {run.dataset} may not be listed" for run in runs}


def _pictures_of_cases(items: list[Item]) -> dict[Path, str]:
    """Return the files of figures that show single cases which may not be passed on, and why they are left out."""
    absent: dict[Path, str] = {}
    for path in (item.path for item in items if item.path.parent.name == paths.FIGURES and item.path.suffix == ".csv"):
        numbers = pd.read_csv(path, dtype=str, keep_default_na=False)
        shown = set(numbers["dataset"]) if _OF_ONE_CASE & set(numbers.columns) else set()
        if private := sorted(name for name in shown if not registry.dataset_card(name).may_be_redistributed):
            why = f"it shows cases of {', '.join(private)}, which may not be passed on"
            absent |= {path.with_suffix(suffix): why for suffix in FIGURE_SUFFIXES}
    return absent


def _without_rows(item: Item, private: set[str]) -> str | None:
    """Return a tidy CSV of cases without the rows of private datasets, None if it has none."""
    rows = pd.read_csv(io.BytesIO(item.path.read_bytes()), dtype=str, keep_default_na=False)
    is_private = rows["dataset"].isin(private)
    return rows[~is_private].to_csv(index=False, lineterminator="\n") if is_private.any() else None


def _without_subjects(item: Item, private: set[str]) -> str | None:
    """Return a record of the contamination gate without the cases of private datasets, None if it names none."""
    record = json.loads(item.path.read_text(encoding="utf-8"))
    kept = [
        case
        for case in record["cases"]
        if record["dataset"] not in private and case["partner"].partition("/")[0] not in private
    ]
    if len(kept) == len(record["cases"]):
        return None
    return json.dumps(record | {"cases": kept, "n_withheld": len(record["cases"]) - len(kept)}, indent=2) + "\n"
