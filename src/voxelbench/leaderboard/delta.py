"""Published values beside ours: what was claimed, what we measured, how far apart they are, and the verdict."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from voxelbench import registry
from voxelbench.leaderboard.comparable import differences, is_undefined, obstacles
from voxelbench.leaderboard.measured import Absent, Measured
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.leaderboard.verdict import NOTHING, Bounds, Verdict, judge
from voxelbench.runs import RANDOM

_CLAIM = ("dataset", "task", "metric", "item", "fraction", "statistic", "method", "ablation")
_CELL = tuple(name for name in _CLAIM if name != "task")
"""What a claim and our value of it have in common besides the kind of the task."""
_SOURCE = ("source", "source_version", "table", "row", "page", "certainty", "note")
_COUNTS = ("n_cases", "n_patients", "n_seeds")
_OURS = (
    "variant",
    "encoder",
    "corpus",
    "budget",
    "data",
    "selection",
    "split",
    "space",
    "value",
    "low",
    "high",
    *_COUNTS,
)

COLUMNS = (
    *_CLAIM,
    *("protocol", "published", "baseline", "published_baseline", "published_selection", "published_split"),
    *_SOURCE,
    *_OURS,
    *("delta", "verdict", "reason", "published_gain", "gain", "gain_low", "gain_high", "gain_verdict", "gain_reason"),
    *("contamination", "spec_sha256s"),
)


def delta(published: Sequence[LeaderboardRow], ours: Measured) -> pd.DataFrame:
    """Return a row for each published value and each of our variants of it, with a verdict, sorted.

    Of several values of a variant (in two spaces, or with weights selected in two ways) the one counts that differs
    least from what was published.
    """
    ordered = sorted(published, key=lambda row: row.key)
    frame = pd.DataFrame([row for claim in ordered for row in _rows(claim, ordered, ours)], columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(_COUNTS, "Int64"))


def _rows(claim: LeaderboardRow, published: Sequence[LeaderboardRow], ours: Measured) -> list[dict[str, Any]]:
    reference = _reference(claim, published)
    known = {name: getattr(claim, name) for name in (*_CLAIM, *_SOURCE, "protocol", "baseline")}
    known |= {"published": claim.value, "published_selection": claim.selection, "published_split": claim.split}
    known |= {"published_baseline": reference.value if reference else None}
    if claim.baseline == RANDOM.name and reference:
        known["published_gain"] = round(claim.value - reference.value, 2)
    matches = _closest(claim, ours.rows)
    if matches:
        return [known | _ours(claim, reference, row, ours.rows) for row in matches]
    absent = Verdict("not run", _why_absent(claim, ours))
    verdict = _incomparable(obstacles(claim)) if is_undefined(claim) else absent
    return [known | {"verdict": verdict.name, "reason": verdict.reason}]


def _ours(
    claim: LeaderboardRow, reference: LeaderboardRow | None, row: LeaderboardRow, rows: Sequence[LeaderboardRow]
) -> dict[str, Any]:
    """Return the columns of our value: the number, how far it is from the claim, and the verdicts on value and gain."""
    columns = {name: getattr(row, name) for name in (*_OURS, "contamination", "spec_sha256s")}
    # A synthetic twin differs from a published value by nothing that has a meaning.
    columns["delta"] = round(row.value, 2) - claim.value if row.data == "real" else None
    reasons = [*obstacles(claim), *differences(claim, row)]
    compared_with = 0.0 if claim.statistic == "gain" else reference.value if reference else None
    verdict = _incomparable(reasons) if reasons else judge(claim.value, compared_with, _bounds(row))
    columns |= {"verdict": verdict.name, "reason": verdict.reason}
    gain = _gain(row, rows)
    if gain is None or claim.baseline != RANDOM.name or reference is None:
        return columns
    claimed = claim.value - reference.value
    said = _incomparable(reasons) if reasons else _judge_gain(claimed, gain)
    columns |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    return columns | {"gain_verdict": said.name, "gain_reason": said.reason}


def _judge_gain(claimed: float, gain: LeaderboardRow) -> Verdict:
    return NOTHING if gain.low is None else judge(claimed, 0.0, _bounds(gain))


def _bounds(row: LeaderboardRow) -> Bounds:
    assert row.low is not None and row.high is not None, "a value without an interval is not comparable"
    return Bounds(row.low, row.high)


def _incomparable(reasons: Sequence[str]) -> Verdict:
    return Verdict("not comparable", "; ".join(reasons))


def _reference(claim: LeaderboardRow, published: Sequence[LeaderboardRow]) -> LeaderboardRow | None:
    """Return the value that a source compares a claim with, in the same cell of the same source."""
    same = ("source", "source_version", "dataset", "task", "metric", "item", "fraction", "protocol", "split")
    found = (
        row
        for row in published
        if row.statistic == "mean"
        and row.system == claim.baseline
        and all(getattr(row, name) == getattr(claim, name) for name in same)
    )
    return next(found, None) if claim.statistic == "mean" else None


def _closest(claim: LeaderboardRow, rows: Sequence[LeaderboardRow]) -> list[LeaderboardRow]:
    """Return our value of the cell for each variant and encoder: the one that differs least from the claim."""
    best: dict[tuple[str, str], LeaderboardRow] = {}
    for row in sorted(_of_cell(claim, rows), key=lambda row: (len(differences(claim, row)), row.key)):
        best.setdefault((row.variant, row.encoder), row)
    return [best[key] for key in sorted(best)]


def _of_cell(claim: LeaderboardRow, rows: Sequence[LeaderboardRow]) -> list[LeaderboardRow]:
    found = [row for row in rows if _is_of(row, claim, *_CELL)]
    return [row for row in found if row.statistic == "mean" or row.baseline == claim.baseline]


def _is_of(ours: LeaderboardRow | Absent, claim: LeaderboardRow, *names: str) -> bool:
    """Whether ours is what a claim is of, by some columns and the kind of the task, of which there may be several."""
    same = all(getattr(ours, name) == getattr(claim, name) for name in names)
    return same and _kind(ours.dataset, ours.task) == _kind(claim.dataset, claim.task)


def _kind(dataset: str, task: str) -> str:
    """Return the kind of a task of one of our datasets; other names stay, as those by which papers call a kind."""
    tasks = registry.dataset_card(dataset).tasks if dataset in registry.names("datasets") else ()
    return next((str(card.kind) for card in tasks if card.name == task), task)


def _gain(row: LeaderboardRow, rows: Sequence[LeaderboardRow]) -> LeaderboardRow | None:
    """Return what the same runs gain over scratch."""
    key = row.model_copy(update={"statistic": "gain", "baseline": RANDOM.name}).key
    return next((each for each in rows if each.key == key), None)


def _why_absent(claim: LeaderboardRow, ours: Measured) -> str:
    """Return why we have no value of a cell: what stopped the runs, or what no table has."""
    cell = ("method", "ablation", "dataset", "fraction")
    reasons = [each.reason for each in ours.absent if _is_of(each, claim, *cell)]
    if reasons:
        return "; ".join(dict.fromkeys(reasons))
    everything: list[LeaderboardRow | Absent] = [*ours.rows, *ours.absent]
    if claim.dataset not in {each.dataset for each in everything}:
        return f"no table has the dataset {claim.dataset}"
    systems = {(each.method, each.ablation) for each in everything if each.dataset == claim.dataset}
    if (claim.method, claim.ablation) not in systems:
        return f"no table has {claim.system} on {claim.dataset}"
    return f"no table has this {claim.statistic} of {claim.metric} of {claim.system} on {claim.dataset}"
