"""How well the contamination gate finds copies: recall for each change and strength, and precision over other patients.

    python benchmarks/contamination.py --first 6 --cases 6

Copies are planted by changing prepared scans: the twins of nine datasets, on their native grid, and the real scans of
ct_samples and mr_samples. All of them have to be prepared in `data/` (the script says which are not). Every scan is
also compared with every scan, and with the mirror image of every scan, of another patient: none of them is a copy.
The method was worked out on the first six scans of each twin, so the figures are to be taken from others.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from scipy import ndimage
from scipy.stats import binomtest

from voxelbench import paths
from voxelbench.config import read_config
from voxelbench.contamination.descriptor import Descriptor, describe
from voxelbench.contamination.near import SAME, likeness
from voxelbench.data.case import read_cases

Spacing = tuple[float, float, float]
Changed = tuple[np.ndarray, Spacing]
Change = Callable[[np.ndarray, Spacing, np.random.RandomState], Changed]

CHANNELS = {
    **dict.fromkeys(("btcv", "msd_liver", "msd_lung", "msd_spleen", "ct_samples"), "ct"),
    **{"brats21": "t1", "brats23": "t1n", "mr_samples": "mr", "autopet": "suv", "adni": "pet", "udpet": "full"},
}
REAL = ("ct_samples", "mr_samples")
BLOCKS_OF_A_SCAN = ("abdomen_lower", "abdomen_upper")
"""Cases that are cut out of another case: copies, not other patients."""


@dataclass(frozen=True)
class Planted:
    """A scan with its descriptor."""

    name: str
    patient: str
    is_real: bool
    is_hu: bool
    volume: np.ndarray
    spacing_mm: Spacing
    descriptor: Descriptor


def resampled(*factors: float) -> Change:
    """Put the scan on voxels so many times as long, smoothed to their size."""

    def change(volume: np.ndarray, spacing: Spacing, _: np.random.RandomState) -> Changed:
        smooth = ndimage.gaussian_filter(volume.astype(np.float32), [0.4 * f if f > 1 else 0 for f in factors])
        out = ndimage.zoom(smooth, [1 / f for f in factors], order=1, grid_mode=True, mode="nearest")
        x, y, z = (step * a / b for step, a, b in zip(spacing, volume.shape, out.shape, strict=True))
        return out, (x, y, z)

    return change


def to_spacing(mm: float) -> Change:
    """Put the scan on voxels of this size."""
    return lambda volume, spacing, rng: resampled(*(mm / step for step in spacing))(volume, spacing, rng)


def cropped(*shares: float) -> Change:
    """Keep these shares of the field of view, anywhere."""

    def change(volume: np.ndarray, spacing: Spacing, rng: np.random.RandomState) -> Changed:
        box = []
        for length, share in zip(volume.shape, shares, strict=True):
            kept = max(1, round(length * share))
            start = rng.randint(0, length - kept + 1)
            box.append(slice(start, start + kept))
        return volume[tuple(box)], spacing

    return change


def windowed(low: float, high: float, levels: int | None) -> Change:
    """Clip and rescale to 0..1, or to whole levels. The bounds are HU, or percentiles where values are no HU."""

    def change(volume: np.ndarray, spacing: Spacing, _: np.random.RandomState) -> Changed:
        scaled = (np.clip(volume.astype(np.float32), low, high) - low) / (high - low)
        return (scaled if levels is None else np.round(scaled * levels).astype(np.uint8)), spacing

    return change


def percentile_windowed(low: float, high: float, levels: int | None) -> Change:
    """Do so with bounds that are percentiles of the voxels above the least value."""

    def change(volume: np.ndarray, spacing: Spacing, rng: np.random.RandomState) -> Changed:
        bounds = np.percentile(volume[volume > volume.min()], [low, high])
        return windowed(*bounds, levels)(volume, spacing, rng)

    return change


def noisy(share: float) -> Change:
    """Add Gaussian noise of this share of the range from the 0.5th to the 99.5th percentile."""

    def change(volume: np.ndarray, spacing: Spacing, rng: np.random.RandomState) -> Changed:
        span = np.ptp(np.percentile(volume, [0.5, 99.5]))
        return volume + share * span * rng.standard_normal(volume.shape), spacing

    return change


def half(volume: np.ndarray, spacing: Spacing, _: np.random.RandomState) -> Changed:
    """Round to float16."""
    return volume.astype(np.float16), spacing


def chained(*changes: Change) -> Change:
    """Do one change after the other."""

    def change(volume: np.ndarray, spacing: Spacing, rng: np.random.RandomState) -> Changed:
        for each in changes:
            volume, spacing = each(volume, spacing, rng)
        return volume, spacing

    return change


SHAPES: dict[str, Change] = {
    "resampled to 2 mm": to_spacing(2),
    "resampled to 3 mm": to_spacing(3),
    "resampled to 1.3 x its voxels": resampled(1.3, 1.3, 1.3),
    "resampled to 1.5 x its voxels": resampled(1.5, 1.5, 1.5),
    "slices twice as thick": resampled(1, 1, 2),
    "cropped to 1/2 in z": cropped(1, 1, 0.5),
    "cropped to 1/3 in z": cropped(1, 1, 1 / 3),
    "cropped to 0.7 in x and y": cropped(0.7, 0.7, 1),
    "cropped to 1/2 in x, y, z": cropped(0.5, 0.5, 0.5),
    "noise of 1 %": noisy(0.01),
    "noise of 3 %": noisy(0.03),
    "noise of 5 %": noisy(0.05),
    "float16": half,
}
HU_WINDOWS: dict[str, Change] = {
    "window, wide, 0..1": windowed(-1000, 1000, None),
    "window, wide, 8 bit": windowed(-1000, 1000, 255),
    "window, narrow, 0..1": windowed(-175, 250, None),
    "window, narrow, 8 bit": windowed(-175, 250, 255),
    "all: narrow 8 bit, 1.25 x its voxels, cropped to 0.8, 0.8, 0.6": chained(
        windowed(-175, 250, 255), resampled(1.25, 1.25, 1.25), cropped(0.8, 0.8, 0.6)
    ),
}
OTHER_WINDOWS: dict[str, Change] = {
    "window, wide, 0..1": percentile_windowed(0.5, 99.5, None),
    "window, wide, 8 bit": percentile_windowed(0.5, 99.5, 255),
    "window, narrow, 0..1": percentile_windowed(5, 95, None),
    "window, narrow, 8 bit": percentile_windowed(5, 95, 255),
    "all: narrow 8 bit, 1.25 x its voxels, cropped to 0.8, 0.8, 0.6": chained(
        percentile_windowed(5, 95, 255), resampled(1.25, 1.25, 1.25), cropped(0.8, 0.8, 0.6)
    ),
}


def scans(first: int, n_cases: int) -> Iterator[Planted]:
    """Yield up to `n_cases` scans of each twin, from the `first` on, and all real ones."""
    for dataset, channel in CHANNELS.items():
        is_real = dataset in REAL
        folder = paths.prepared(read_config().data_root, dataset, "real" if is_real else "phantom", "native")
        chosen = slice(None) if is_real else slice(first, first + n_cases)
        for case in read_cases(paths.manifest(folder))[chosen]:
            if case.case_id not in BLOCKS_OF_A_SCAN and case.spacing_mm is not None:
                volume = case.read([channel])[0]
                described = describe(volume, case.spacing_mm)
                # Twins of BraTS 2021 and 2023 with one number are two different phantoms.
                patient = f"{dataset}/{case.patient_id}"
                is_hu = CHANNELS[dataset] == "ct"
                yield Planted(f"{dataset}/{case.case_id}", patient, is_real, is_hu, volume, case.spacing_mm, described)


def recall(planted: list[Planted]) -> Iterator[tuple[str, bool, str, float]]:
    """Yield change, whether the scan is real, its name, and how like the changed copy is to it."""
    for scan in planted:
        for name, change in {**SHAPES, **(HU_WINDOWS if scan.is_hu else OTHER_WINDOWS)}.items():
            rng = np.random.RandomState(len(name))
            score = likeness(scan.descriptor, describe(*change(scan.volume, scan.spacing_mm, rng)))
            yield name, scan.is_real, scan.name, score


def others(planted: list[Planted]) -> Iterator[tuple[str, float]]:
    """Yield the names of two scans of different patients, and how alike they are; then with one of the two mirrored."""
    for one, other in combinations(planted, 2):
        if one.patient != other.patient:
            yield f"{one.name} {other.name}", likeness(one.descriptor, other.descriptor)
    mirrored = {scan.name: describe(scan.volume[::-1], scan.spacing_mm) for scan in planted}
    for one, other in permutations(planted, 2):
        if one.patient != other.patient:
            yield f"{one.name} mirrored {other.name}", likeness(mirrored[one.name], other.descriptor)


def share(k: int, n: int) -> str:
    """Return k of n in per cent with its Wilson interval."""
    if not n:
        return "-"
    interval = binomtest(k, n).proportion_ci(method="wilson")
    return f"{k} / {n} = {100 * k / n:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def main() -> None:
    """Print both tables as Markdown, with what was missed and what came closest to a false alarm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=6, help="how many scans of each twin to pass over")
    parser.add_argument("--cases", type=int, default=6, help="scans of each twin")
    options = parser.parse_args()
    planted = list(scans(options.first, options.cases))
    found = list(recall(planted))
    print(f"{len(planted)} scans, {sum(scan.is_real for scan in planted)} of them real\n")
    print("| change | phantoms, found, % | real scans, found, % |\n|---|---|---|")
    for name in [*dict.fromkeys(row[0] for row in found), "all changes"]:
        cells = []
        for is_real in (False, True):
            scores = [row[3] for row in found if name in (row[0], "all changes") and row[1] == is_real]
            cells.append(share(sum(score >= SAME for score in scores), len(scores)))
        print(f"| {name} | {' | '.join(cells)} |")
    print("\nmissed:", *(f"{name}: {case} {score:.2f}" for name, _, case, score in found if score < SAME), sep="\n  ")
    negative = sorted(others(planted), key=lambda pair: -pair[1])
    n_false = sum(score >= SAME for _, score in negative)
    print(f"\nfalse alarms: {share(n_false, len(negative))}; the closest:")
    print(*(f"  {score:.3f} {names}" for names, score in negative[:10]), sep="\n")
    print("\n| threshold | copies found, % | other patients taken for copies, % |\n|---|---|---|")
    for threshold in (0.15, 0.2, SAME, 0.3, 0.4):
        n_true, n_false = (sum(row[-1] >= threshold for row in rows) for rows in (found, negative))
        print(f"| {threshold} | {share(n_true, len(found))} | {share(n_false, len(negative))} |")


if __name__ == "__main__":
    main()
