"""Splits: which part of a dataset a case belongs to. The unit of splitting is the patient."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from voxelbench import paths, registry
from voxelbench.atomic import written_whole
from voxelbench.cards import DatasetCard
from voxelbench.data.case import Case
from voxelbench.data.table import read_table
from voxelbench.errors import ConfigError, DataError

Part = Literal["train", "val", "test"]
Listed = dict[tuple[str, int], dict[str, Part]]
"""Parts of the listed cases: (split, fold) -> case id -> part."""

_PARTS: tuple[Part, ...] = ("train", "val", "test")
_FILE = "splits.csv"
_COLUMNS = ("split", "fold", "part", "case_id")


def read_splits(path: Path) -> Listed:
    """Read `splits.csv` (split, fold, part, case_id). Raises ConfigError for an unknown part or a case listed twice."""
    listed: Listed = {}
    for line, row in read_table(path, _COLUMNS, ConfigError):
        if not row["fold"].isdecimal():
            raise ConfigError(f"{path}: line {line} has fold '{row['fold']}', expected a whole number.")
        if not (row["split"] and row["case_id"]):
            raise ConfigError(f"{path}: line {line} names no split or no case; complete or remove it.")
        parts = listed.setdefault((row["split"], int(row["fold"])), {})
        if row["part"] not in _PARTS:
            raise ConfigError(f"{path}: line {line} has part '{row['part']}', expected train, val or test.")
        if row["case_id"] in parts:
            raise ConfigError(f"{path}: line {line} lists case {row['case_id']} twice in split {row['split']}.")
        parts[row["case_id"]] = row["part"]
    return listed


def listed_parts(dataset: str) -> Listed:
    """Read the `splits.csv` of a dataset's folder."""
    return read_splits(registry.folder("datasets", dataset) / _FILE)


def write_supplied(out: Path, listed: Listed) -> None:
    """Write the splits that lie with the data beside the manifest that `prepare` writes in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [(split, fold, part, case_id) for (split, fold), parts in listed.items() for case_id, part in parts.items()]
    with written_whole(paths.supplied_splits(out)) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([_COLUMNS, *sorted(rows)])


def all_listed(dataset: str, prepared: Path) -> Listed:
    """Return the listed parts of a dataset: those of its folder, and those that lie with the prepared data."""
    supplied = paths.supplied_splits(prepared)
    return listed_parts(dataset) | (read_splits(supplied) if supplied.is_file() else {})


def part_of(card: DatasetCard, split: str, fold: int, case_id: str, patient_id: str, listed: Listed) -> Part | None:
    """Return the part that a case belongs to, or None if the split leaves it out."""
    rule = card.splits[split]
    named = listed.get((split, fold), {})
    if case_id in named:
        part = named[case_id]
    elif rule.rule == "listed":
        return None
    elif rule.rule == "hash":
        part = "test" if int(_share(card.name, split, patient_id) * rule.n_folds) == fold else "train"
    else:
        part = "train"
    has_listed_validation = "val" in named.values()
    if (
        part == "train"
        and not has_listed_validation
        and _share(card.name, split, patient_id, "validation") < rule.validation
    ):
        return "val"
    return part


def _share(*words: str) -> float:
    """Return a number in [0, 1) that depends on the words alone."""
    return int(hashlib.sha256(":".join(words).encode()).hexdigest()[:8], 16) / 2**32


def select(
    cases: Sequence[Case],
    card: DatasetCard,
    split: str,
    fold: int,
    *wanted: Part,
    remedy: str = "prepare more cases, or name another fold or split",
) -> list[Case]:
    """Return the cases of some parts. Raises DataError if there is none, or if a patient is in two parts."""
    listed = all_listed(card.name, cases[0].image.parent)
    parts = {case.case_id: part_of(card, split, fold, case.case_id, case.patient_id, listed) for case in cases}
    _check_patients(cases, parts, card.name, split)
    chosen = [case for case in cases if parts[case.case_id] in wanted]
    if not chosen:
        part, file = " or ".join(wanted), card.splits[split].file
        remedy = f"put {file} under data/raw/{card.name} and prepare the dataset again" if file else remedy
        raise DataError(
            f"{card.name}: split {split}, fold {fold} has no {part} case among {len(parts)} prepared; {remedy}."
        )
    return chosen


def _check_patients(cases: Iterable[Case], parts: dict[str, Part | None], dataset: str, split: str) -> None:
    seen: dict[str, Part] = {}
    for case in cases:
        part = parts[case.case_id]
        if part is not None and seen.setdefault(case.patient_id, part) != part:
            raise DataError(
                f"{dataset}: patient {case.patient_id} is in both {seen[case.patient_id]} and {part} of split {split}; "
                "move all cases of a patient to one part in splits.csv."
            )


def draw_ids(card: DatasetCard, candidates: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pick (case id, patient id) pairs for a twin, in order, until each part of the default split has its quota.

    Raises ConfigError if the candidates run out first.
    """
    if card.twin is None:
        raise ConfigError(f"{card.name}: the card declares no twin.")
    listed = listed_parts(card.name)
    wanted = {"train": card.twin.train, "val": card.twin.val, "test": card.twin.test}
    chosen = []
    for case_id, patient_id in candidates:
        part = part_of(card, card.default_split, 0, case_id, patient_id, listed)
        if part is not None and wanted[part] > 0:
            wanted[part] -= 1
            chosen.append((case_id, patient_id))
        if not any(wanted.values()):
            return chosen
    raise ConfigError(f"{card.name}: the candidate ids of the twin ran out with {wanted} still wanted.")


def deal_classes(card: DatasetCard, drawn: Iterable[tuple[str, str]], n_classes: int) -> list[int]:
    """Return a class for each drawn case of a twin, balanced within each part of the default split.

    The order turns round after each pass (0 1 2, 2 1 0, ...). In plain turn, every case would differ in class from the
    one before it, and the control that shuffles labels, which takes the one before, would be systematically wrong.
    """
    listed = listed_parts(card.name)
    dealt: Counter[Part | None] = Counter()
    classes = []
    for case_id, patient_id in drawn:
        part = part_of(card, card.default_split, 0, case_id, patient_id, listed)
        turn, place = divmod(dealt[part], n_classes)
        classes.append(place if turn % 2 == 0 else n_classes - 1 - place)
        dealt[part] += 1
    return classes
