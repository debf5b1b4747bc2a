"""Results of runs that never ran: what a budget's folder holds, with drawn numbers, for tests of what shows them."""

import csv
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml

from voxelbench import paths
from voxelbench.atomic import write_text
from voxelbench.config import Column, read_budget, read_config, read_encoder
from voxelbench.contamination.record import CaseVerdict, Report, write_report
from voxelbench.expand import table_runs
from voxelbench.report.cost_summary import ALL
from voxelbench.report.rows import CaseRow, ComparisonRow, RankRow, ScoreRow
from voxelbench.runs import NO_CORPUS, EvalRun

ROOT = Path(__file__).resolve().parents[2]
N_STEPS = 150
N_CASES = 6
FAILED = ("brats21", "alice")
"""A column and a method, whose run ends with the message HOSTILE."""
HOSTILE = "<script>alert('x')</script> & \"quoted\""
SHA256 = "14edcf99" * 8
SPEC = "".join(f"setting_{number}:\n- {number}\n- random\n" for number in range(65))
"""As long as the specs of real runs are."""
COSTS = (
    *("budget", "data", "column", "method", "variant", "encoder", "n_runs"),
    *("evaluate_hours", "gpu_hours", "cpu_hours", "peak_memory_mb"),
)
PACKAGES = {"torch": "2.13.0", "monai": "1.6.1", "numpy": "2.4.6", "nibabel": "5.4.2", "nnunetv2": None}


def write_results(table: str, budget: str = "demo", data: str = "phantom") -> None:
    """Write the files of a table and of every run behind it; the runs of FAILED have no scores."""
    rng = np.random.RandomState(len(table))
    scores, cases, comparisons, costs = [], [], [], []
    columns: dict[Column, float] = {}
    systems: dict[tuple[str, str, str], list[float]] = {}
    for column, run in table_runs(table, budget):
        level = columns.setdefault(column, rng.uniform(35, 85))
        named = _identity(column, run, data)
        variant = ".".join(part for part in (named["variant"], named["ablation"]) if part)
        system = (named["method"], variant, named["encoder"])
        seen = {"seen": "none", "contamination": "clean"}
        if (column.name, named["method"]) == FAILED:
            reason = f"failed: {HOSTILE}"
            write_text(run.folder() / paths.FAILED, json.dumps({"reason": HOSTILE}))
            scores.append(named | seen | {"status": "failed", "reason": reason})
            comparisons.append(_comparison(named, variant) | {"notes": reason})
            continue
        values = np.clip(rng.normal(level, 8, N_CASES), 0, 100) / 100
        systems.setdefault(system, []).append(100 * values.mean())
        score = {"metric": "dice", "value": f"{values.mean():.4f}", "n_cases": N_CASES, "space": "native"}
        scores.append(named | seen | score | {"status": "ok"})
        cases += [
            named | {"metric": "dice", "space": "native", "case_id": f"case_{i:02}", "patient_id": f"patient_{i:02}"}
            | {"value": f"{value:.6f}"} for i, value in enumerate(values)
        ]  # fmt: skip
        comparisons.append(_comparison(named, variant) | _statistics(100 * values.mean(), rng, system[0] == "scratch"))
        costs.append(_cost(named, variant, rng))
        _write_run(run, rng)
    write_rows(paths.scores(budget, table), ScoreRow.columns(), scores)
    write_rows(paths.case_scores(budget, table), CaseRow.columns(), cases)
    write_rows(paths.comparisons(budget, table), ComparisonRow.columns(), comparisons)
    costs += [cost | {"column": ALL} for cost in {(cost["method"], cost["variant"]): cost for cost in costs}.values()]
    write_rows(paths.cost_summary(budget, table), COSTS, costs)
    write_rows(paths.ranks(budget, table), RankRow.columns(), _ranks(budget, systems))
    rows = []
    for system, found in systems.items():
        rows.append({**_named(system), "average": f"{np.mean(found):.2f}", "n_datasets": len(found)})
    write_rows(paths.table(budget, table), ["method", "variant", "encoder", "average", "n_datasets", "notes"], rows)


def _identity(column: Column, run: EvalRun, data: str) -> dict[str, str]:
    """Return what names a run, but for the hash of its spec, which would have to be resolved first."""
    pretrain, method = run.pretrain, run.pretrain.method
    named = {"budget": pretrain.budget, "data": data, "column": column.name, "corpus": pretrain.corpus}
    named |= {"method": method.name, "variant": method.variant, "ablation": method.ablation}
    named |= {"encoder": pretrain.encoder, "track": "common", "dataset": run.dataset, "task": run.task}
    named |= {"selection": run.selection, "protocol": run.protocol, "fraction": f"{run.fraction:g}"}
    return named | {"split": "main", "fold": str(run.fold), "seed": str(pretrain.seed), "spec_sha256": SHA256}


def _named(system: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("method", "variant", "encoder"), system, strict=True))


def _comparison(named: dict[str, str], variant: str) -> dict[str, object]:
    kept = {key: named[key] for key in ("budget", "data", "column", "method", "encoder")}
    return kept | {"variant": variant, "metric": "dice", "n_cases": 0, "n_patients": 0, "n_seeds": 0}


def _statistics(value: float, rng: np.random.RandomState, is_scratch: bool) -> dict[str, object]:
    counts = {"n_cases": N_CASES, "n_patients": N_CASES, "n_seeds": 1, "is_small": True}
    low, high = value - rng.uniform(1, 6), value + rng.uniform(1, 6)
    found: dict[str, object] = {"value": value, "low": low, "high": high, "group": 1 + (rng.uniform() < 0.4)}
    if not is_scratch:
        difference, width = rng.normal(1, 3), rng.uniform(1, 4)
        bounds = (difference, difference - width, difference + width)
        found |= dict(zip(("scratch_difference", "scratch_low", "scratch_high"), bounds, strict=True))
        found |= {"scratch_p": 0.03, "scratch_p_holm": 0.18, "detectable": 2 * width}
    return counts | {key: each if key == "group" else f"{each:.2f}" for key, each in found.items()}


def _cost(named: dict[str, str], variant: str, rng: np.random.RandomState) -> dict[str, object]:
    took = {"evaluate_hours": f"{rng.uniform(0.005, 0.02):.4f}", "gpu_hours": "0.0000", "cpu_hours": "0.0110"}
    kept = {key: named[key] for key in ("budget", "data", "column", "method", "encoder")}
    return kept | took | {"variant": variant, "n_runs": 2, "peak_memory_mb": rng.randint(700, 900)}


def _ranks(budget: str, systems: dict[tuple[str, str, str], list[float]]) -> list[dict[str, object]]:
    order = sorted(systems, key=lambda system: -float(np.mean(systems[system])))
    shared = {"budget": budget, "data": "phantom", "friedman_p": "0.2100", "critical_difference": "2.38", "group": 1}
    return [
        {**shared, **_named(system), "mean_rank": f"{rank + 1.5:.2f}", "n_datasets": len(systems[system])}
        for rank, system in enumerate(order)
    ]


def _write_run(run: EvalRun, rng: np.random.RandomState) -> None:
    pretrain = run.pretrain
    _write_folder(run.folder(), rng)
    if pretrain.corpus == NO_CORPUS:
        return
    record, names = run.contamination(), [f"case_{i:02}" for i in range(N_CASES)]
    assert record is not None
    verdicts = tuple(CaseVerdict(name, "clean") for name in names)
    write_report(record, Report(pretrain.budget, pretrain.corpus, run.dataset, run.task, run.fold, 40, verdicts))
    if not (pretrain.folder() / paths.RUN).is_file():
        _write_folder(pretrain.folder(), rng)


def _write_folder(folder: Path, rng: np.random.RandomState) -> None:
    record = {
        "spec_sha256": SHA256,
        "voxelbench": "0.1.0",
        "python": "3.11.7",
        "device": "cpu",
        "n_cpus": 2,
        "versions": PACKAGES,
        "seconds": {"data": 0.008, "build": 0.313, "finetune": 16.469, "score": 1.742},
        "peak_memory_mb": 890,
        "inputs": {
            "data/prepared/btcv/phantom-7mm/manifest.csv": "fe7d3c27" * 8,
            "data/prepared/btcv/phantom-native/manifest.csv": "4d8c98e1" * 8,
        },
        "code": {"commit": "6c1f0a5e" * 5, "n_changed": 0},
        **{"selected_step": 150, "n_train": 10, "n_val": 2, "n_test": N_CASES},
    }
    losses = np.exp(-np.arange(N_STEPS) / 60) + rng.normal(0, 0.05, N_STEPS)
    rows = [{"step": step, "lr": 0.004, "total": f"{loss:.5f}"} for step, loss in enumerate(losses)]
    for step in (49, 99, 149):
        rows[step]["validation"] = f"{0.5 + step / 500:.4f}"
    write_text(folder / paths.SPEC, SPEC)
    write_text(folder / paths.RUN, json.dumps(record, indent=2) + "\n")
    write_text(
        folder / paths.LOG, "".join(f"step {step} of 150, loss {losses[step]:.4f}\n" for step in range(0, 150, 5))
    )
    write_rows(folder / paths.LOSSES, ["step", "lr", "total", "validation"], rows)


def write_rows(path: Path, columns: Sequence[str], rows: list[dict[str, object]]) -> None:
    """Write a CSV; what a row does not say is empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def lay_out(root: Path, tables: tuple[str, ...]) -> None:
    """Make `root` a checkout whose site shows `tables`, with the documents that its pages are made of."""
    for name in ("methods", "datasets", "docs"):
        (root / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "config", root / "config")
    (root / "results" / "leaderboard").mkdir(parents=True)
    for name in ("Snakefile", "results/README.md", "results/leaderboard/published.csv"):
        shutil.copy(ROOT / name, root / name)
    file = root / "config" / "config.yaml"
    config = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(config | {"site": {"tables": list(tables)}}))


@contextmanager
def standing_in(root: Path) -> Iterator[None]:
    """Work in another checkout: what was read of the last one is forgotten, before and after."""
    readers = (read_config, read_budget, read_encoder)
    before = Path.cwd()
    os.chdir(root)
    for reader in readers:
        reader.cache_clear()
    try:
        yield
    finally:
        os.chdir(before)
        for reader in readers:
            reader.cache_clear()
