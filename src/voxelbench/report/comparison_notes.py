"""What a reader of a comparison has to know, a sentence each."""

from typing import NamedTuple

from voxelbench.report.case_matrices import Cell, System
from voxelbench.report.statistics.paired import PATIENT, Difference
from voxelbench.report.statistics.power import SMALL, first_level, is_hopeless
from voxelbench.report.statistics.signed_rank import smallest_p
from voxelbench.report.table_view import NOTE_SEPARATOR


class Compared(NamedTuple):
    """A difference as one of a family of comparisons."""

    difference: Difference
    p_holm: float
    n_tests: int


def notes(system: System, cell: Cell, n_cases: int, from_scratch: Compared | None, from_best: Compared | None) -> str:
    """Return the sentences on one cell of a column with `n_cases` cases, separated by a bar."""
    if cell.scores.empty:
        return "no case has a value"
    n_patients = len(set(cell.scores.index.get_level_values(PATIENT)))
    said = [*_on_missing(cell, n_cases), *_on_interval(cell, n_patients)]
    if from_scratch is None and system != system.scratch:
        said.append(f"no scratch in {system.encoder} to compare with")
    against = {"scratch": from_scratch, "the best": from_best}
    compared = {name: each for name, each in against.items() if each is not None}
    said += [sentence for name, each in compared.items() for sentence in _on_difference(name, each, n_patients)]
    return NOTE_SEPARATOR.join([*said, *_on_power(compared)])


def _on_missing(cell: Cell, n_cases: int) -> list[str]:
    said = []
    if len(cell.scores) < n_cases:
        said.append(f"{n_cases - len(cell.scores)} of {n_cases} cases have no value and are left out")
    if cell.n_missing:
        said.append(f"{cell.n_missing} values of single seeds are missing; there a case counts with its other seeds")
    return said


def _on_interval(cell: Cell, n_patients: int) -> list[str]:
    if n_patients == 1:
        return ["one patient, so no interval"]
    said = []
    if cell.scores.to_numpy().std() == 0:
        said.append("all cases score the same, so the interval is a point, which is no certainty")
    elif n_patients < SMALL:
        said.append(f"{n_patients} patients: an interval from fewer than {SMALL} is too narrow")
    if cell.scores.shape[1] == 1:
        said.append("one seed: interval and tests are about these networks, another seed may turn them")
    return said


def _on_difference(name: str, compared: Compared, n_patients: int) -> list[str]:
    found, said = compared.difference, []
    if not found.n_patients:
        return [f"no case and seed in common with {name}"]
    if found.n_patients < n_patients:
        said.append(f"compared with {name} on {found.n_patients} of {n_patients} patients, which both have")
    if found.test.direction * found.interval.value < 0:
        said.append(f"against {name} most patients point the other way than the mean")
    return said


def _on_power(compared: dict[str, Compared]) -> list[str]:
    """Say loudly where no result at all could have been separated: once, from the smaller family, that of scratch."""
    for name, (found, _, n_tests) in compared.items():
        n_patients = found.n_patients
        if n_patients and is_hopeless(n_patients, n_tests):
            return [
                f"{n_patients} patients cannot separate it from {name}, whatever the result: Wilcoxon's smallest p is "
                f"{smallest_p(n_patients):.4f}, and a family of {n_tests} demands {first_level(n_tests):.4f}"
            ]
    return []
