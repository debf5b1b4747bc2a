"""Label fractions: how a training set is made smaller, whole patients at a time."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256

from voxelbench.data.case import Case
from voxelbench.errors import ConfigError


def label_fraction(cases: Sequence[Case], fraction: float, seed: int = 0) -> list[Case]:
    """Return the cases of a share of the patients, in their order; a smaller share lies inside of a larger one.

    The share is taken of each class apart, one patient of it at least, where cases have a class as their target. Which
    patients come first is decided by a hash of their ids and the seed, so it depends on nobody else. A patient with
    cases of several classes counts for the lowest.

    Raises ConfigError for a fraction that is not above 0 and at most 1.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f"label fraction {fraction:g}: expected more than 0 and at most 1, such as 0.1.")
    kept = {patient for group in _patients_by_class(cases) for patient in _first(group, fraction, seed)}
    return [case for case in cases if case.patient_id in kept]


def _patients_by_class(cases: Sequence[Case]) -> list[set[str]]:
    targets: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        targets[case.patient_id].append(-1 if case.target is None else case.target)
    groups: dict[float, set[str]] = defaultdict(set)
    for patient, found in targets.items():
        groups[min(found)].add(patient)
    return list(groups.values())


def _first(patients: set[str], fraction: float, seed: int) -> list[str]:
    ordered = sorted(patients, key=lambda patient: sha256(f"{seed}:{patient}".encode()).hexdigest())
    return ordered[: max(1, round(fraction * len(ordered)))]
