"""What a crate leaves out because a dataset's card forbids it: tables with a row a subject."""

import io
import json
from dataclasses import replace

import pandas as pd

from voxelbench import paths, registry
from voxelbench.publish.contents import Item, datasets
from voxelbench.publish.evidence import Evidence
from voxelbench.runs import EvalRun


def withhold(items: list[Item], evidence: Evidence) -> tuple[list[Item], dict[str, str]]:
    """Return the items that may be passed on, and by place what is left out of the others, and why."""
    private = {name for name in datasets(evidence) if not registry.dataset_card(name).lists_subjects}
    runs = [run for run in evidence.runs.values() if isinstance(run, EvalRun)]
    left_out = {run.folder() / paths.CASES: run.dataset for run in runs if run.dataset in private}
    tidy = {paths.case_scores(evidence.budget, table) for table in evidence.tables}
    records = {path for run in runs if (path := run.contamination())}
    kept, said = [], {}
    for item in items:
        if item.path in left_out:
            said[item.place] = f"not here: {left_out[item.path]} may not be passed on as a table of subjects"
            continue
        text = None
        if item.path in tidy:
            text = _without_rows(item, private)
        elif item.path in records:
            text = _without_subjects(item, private)
        if text is not None:
            said[item.place] = f"without the subjects of {', '.join(sorted(private))}, which may not be listed"
        kept.append(item if text is None else replace(item, text=text))
    return kept, said


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
