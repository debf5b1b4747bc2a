"""Are the statistics of the tables right? Simulated scores whose truth is known, through the code of the tables.

Prints Markdown tables: how often intervals hold the truth, how often tests see a difference where there is none, and
whether the detectable difference is found as often as it claims. docs/statistics.md quotes them.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binom, norm, t

from voxelbench.report.statistics import ALPHA
from voxelbench.report.statistics.friedman import ranking
from voxelbench.report.statistics.intervals import N_RESAMPLES, mean_interval
from voxelbench.report.statistics.paired import holm
from voxelbench.report.statistics.power import detectable, first_level
from voxelbench.report.statistics.signed_rank import signed_rank

SIZES = (6, 12, 20, 50, 100)
N_OTHERS = 5
"""Systems beside scratch, as in the main table."""

Rng = np.random.RandomState
Draw = Callable[[Rng, int], np.ndarray]


class Kind(NamedTuple):
    """What the mean scores of patients look like: n draws, and their true mean."""

    name: str
    draw: Draw
    mean: float


def _with_missed(rng: Rng, n: int) -> np.ndarray:
    return 100 * rng.beta(8, 2, n) * (rng.uniform(size=n) > 0.15)


NORMAL = Kind("normal, sd 10", lambda rng, n: rng.normal(70, 10, n), 70)
CLOSE = Kind("normal, sd 3", lambda rng, n: rng.normal(70, 3, n), 70)
SKEWED = Kind("Dice, beta(8, 2)", lambda rng, n: 100 * rng.beta(8, 2, n), 80)
MISSED = Kind("Dice, 15 % missed", _with_missed, 68)
ANSWERS = Kind("right or wrong, 80 %", lambda rng, n: 100.0 * (rng.uniform(size=n) < 0.8), 80)


def scores(rng: Rng, kind: Kind, n_patients: int, n_seeds: int, seed_sd: float) -> np.ndarray:
    """Draw scores (patients, seeds): patient, seed, and, of several runs, 3 points of noise that no two share."""
    patients = kind.draw(rng, n_patients)[:, None]
    if n_seeds == 1:
        return patients + (rng.normal(0, seed_sd) if seed_sd else 0)
    return patients + rng.normal(0, seed_sd, n_seeds) + rng.normal(0, 3, (n_patients, n_seeds))


def clustered(rng: Rng, n_patients: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores of cases and whose they are: one to four cases a patient, which are alike."""
    patients = np.repeat(np.arange(n_patients), rng.randint(1, 5, n_patients))
    return rng.normal(70, 10, n_patients)[patients] + rng.normal(0, 6, len(patients)), patients


def other_intervals(rng: Rng, values: np.ndarray, patients: np.ndarray) -> Iterator[tuple[float, float]]:
    """Yield the percentile, the basic and Student's interval of the same mean; Student's over the patients alone."""
    n_patients, n_seeds = patients.max() + 1, values.shape[1]
    counts = np.bincount(patients)
    sums = np.stack([np.bincount(patients, column) for column in values.T], axis=1)
    drawn, seeds = (
        rng.randint(0, n_patients, (N_RESAMPLES, n_patients)),
        rng.randint(0, n_seeds, (N_RESAMPLES, n_seeds)),
    )
    by_seed = sums[drawn].sum(1) / counts[drawn].sum(1, keepdims=True)
    means = np.take_along_axis(by_seed, seeds, 1).mean(1)
    low, high = np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2])
    mean = values.mean()
    yield low, high
    yield 2 * mean - high, 2 * mean - low
    error = np.std(sums.mean(1) - mean * counts, ddof=1) / np.sqrt(n_patients) / counts.mean()
    half_width = t.ppf(1 - ALPHA / 2, n_patients - 1) * error
    yield mean - half_width, mean + half_width


def coverage(draw: Callable[[Rng], tuple[np.ndarray, np.ndarray]], truth: float, n_simulations: int) -> list[float]:
    """Return how often, in percent, the BCa interval and the three others hold the truth."""
    rng, held = Rng(0), np.zeros(4)
    for _ in range(n_simulations):
        values, patients = draw(rng)
        values = values.reshape(len(patients), -1)
        bounds = [mean_interval(values, patients)[1:], *other_intervals(rng, values, patients)]
        held += [low <= truth <= high for low, high in bounds]
    return list(100 * held / n_simulations)


def report_coverage(n_simulations: int) -> None:
    """Print the coverage of each kind of scores, with one seed and with three."""
    print("\n| scores | seeds | patients | BCa | percentile | basic | Student's t |\n|---|---|---|---|---|---|---|")
    settings = [(kind, 1, 0.0) for kind in (NORMAL, SKEWED, MISSED, ANSWERS)]
    settings += [(NORMAL, 3, 0.0), (NORMAL, 3, 1.0), (NORMAL, 3, 3.0), (SKEWED, 3, 0.0), (SKEWED, 3, 1.0)]
    for kind, n_seeds, sd in settings:
        seeds = _seeds(n_seeds, sd)
        for n in SIZES:
            draw = lambda rng, n=n: (scores(rng, kind, n, n_seeds, sd), np.arange(n))  # noqa: B023, E731
            _print_row(kind.name, seeds, n, *coverage(draw, kind.mean, n_simulations))
    for n in SIZES:
        draw = lambda rng, n=n: clustered(rng, n)  # noqa: E731
        _print_row("normal, 1 to 4 cases a patient", "1", n, *coverage(draw, 70, n_simulations))


def report_false_positives(n_simulations: int) -> None:
    """Print how often a family without any true difference has a finding."""
    print("\n| scores | seeds | patients | against scratch | all pairs | the best, corrected for it alone |")
    print("|---|---|---|---|---|---|")
    settings = [(NORMAL, 1, 0.0), (SKEWED, 1, 0.0), (ANSWERS, 1, 0.0), (CLOSE, 1, 1.0), (CLOSE, 3, 1.0)]
    for kind, n_seeds, sd in settings:
        for n in SIZES:
            found = np.mean([_false_findings(Rng(i), kind, n, n_seeds, sd) for i in range(n_simulations)], axis=0)
            _print_row(kind.name, _seeds(n_seeds, sd), n, *(100 * found))


def _false_findings(rng: Rng, kind: Kind, n_patients: int, n_seeds: int, sd: float) -> list[bool]:
    """Return whether equal systems differ, after Holm's correction of each family."""
    means = [scores(rng, kind, n_patients, n_seeds, sd).mean(1) for _ in range(1 + N_OTHERS)]
    best = int(np.argmax([mean.mean() for mean in means]))
    with_best = [(best, other) for other in range(len(means)) if other != best]
    families = [(0, other) for other in range(1, len(means))], list(combinations(range(len(means)), 2)), with_best
    return [_has_finding([means[one] - means[other] for one, other in family]) for family in families]


def _has_finding(differences: list[np.ndarray]) -> bool:
    return bool((holm(np.array([signed_rank(each).p for each in differences])) <= ALPHA).any())


def report_datasets(n_simulations: int) -> None:
    """Print how often equal systems differ across datasets."""
    print("\n| systems | datasets | Friedman | more than one letter |\n|---|---|---|---|")
    for n_systems in (3, 1 + N_OTHERS):
        for n_datasets in (2, 4, 10):
            rng = Rng(0)
            found = [ranking(pd.DataFrame(rng.normal(size=(n_datasets, n_systems)))) for _ in range(n_simulations)]
            levels = [
                np.mean([each.p <= ALPHA for each in found]),
                np.mean([each.letters.nunique() > 1 for each in found]),
            ]
            _print_row(n_systems, n_datasets, *(100 * level for level in levels))


def report_power(n_simulations: int) -> None:
    """Print how often Wilcoxon's test finds, at Holm's first step, the difference that is called detectable."""
    print("\n| patients | detectable, sd | found: normal | found: double exponential |\n|---|---|---|---|")
    for n in (8, 12, 20, 50, 100):
        effect, level = detectable(1.0, n, N_OTHERS), first_level(N_OTHERS)
        rng = Rng(0)
        noises: list[Draw] = [lambda rng, n: rng.normal(size=n), lambda rng, n: rng.laplace(scale=0.5**0.5, size=n)]
        found = [
            np.mean([signed_rank(effect + noise(rng, n)).p <= level for _ in range(n_simulations)]) for noise in noises
        ]
        _print_row(n, f"{effect:.2f}", *(100 * share for share in found))


def report_ties() -> None:
    """Print the true level of two laws of the signed ranks where all differences are 1 or -1, as of answers."""
    print("\n| patients whose answers differ | nominal | exact law | normal approximation |\n|---|---|---|---|")
    for level in (0.05, 0.01):
        for n in (15, 20, 30, 40, 60):
            ups = np.arange(n + 1)
            chance = binom.pmf(ups, n, 0.5)
            exact = np.array([signed_rank(np.repeat([1.0, -1.0], [up, n - up])).p for up in ups])
            normal = 2 * norm.sf(np.abs(2 * ups - n) / np.sqrt(n))
            _print_row(n, f"{100 * level:g}", *(100 * chance[p <= level].sum() for p in (exact, normal)))


def _seeds(n_seeds: int, sd: float) -> str:
    return f"{n_seeds}, sd {sd:g}" if sd else str(n_seeds)


def _print_row(*cells: object) -> None:
    said = [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells]
    print(f"| {' | '.join(said)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000, help="of each setting (default: 1000)")
    n_simulations = parser.parse_args().simulations
    report_ties()
    report_datasets(n_simulations)
    report_power(n_simulations)
    report_false_positives(n_simulations)
    report_coverage(n_simulations)
