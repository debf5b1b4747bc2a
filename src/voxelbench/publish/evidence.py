"""What stands behind the tables of a budget: the rows of their scores, and the runs with their records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from voxelbench import paths
from voxelbench.config import read_config
from voxelbench.errors import DataError
from voxelbench.report.identity import run_of
from voxelbench.report.schema import read_scores
from voxelbench.runs import OWN_NETWORK, EvalRun, PretrainRun

Run = EvalRun | PretrainRun


@dataclass(frozen=True)
class Evidence:
    """Tables of a budget; the scores of each, by its name; each run with scores and its pretraining, by folder."""

    budget: str
    scores: Mapping[str, pd.DataFrame]
    runs: Mapping[Path, Run]

    @property
    def tables(self) -> list[str]:
        """The names of the tables."""
        return list(self.scores)

    def evaluations(self) -> list[EvalRun]:
        """Return the runs with scores."""
        return [run for run in self.runs.values() if isinstance(run, EvalRun)]

    def pretrainings(self) -> list[PretrainRun]:
        """Return the runs behind their weights."""
        return [run for run in self.runs.values() if isinstance(run, PretrainRun)]


def gather(budget: str, tables: tuple[str, ...]) -> Evidence:
    """Return the evidence of some tables, by default of all that were made. Raises DataError if there is none."""
    named = tables or _made_tables(budget)
    if not named:
        raise DataError(f"{paths.RESULTS / budget}: no table was made with this budget; make one, then publish it.")
    scores = {name: read_scores(paths.scores(budget, name)) for name in named}
    evaluations = [run for frame in scores.values() for run in runs_of(frame[frame["status"] == "ok"])]
    runs: dict[Path, Run] = {run.folder(): run for run in evaluations}
    runs |= {run.pretrain.folder(): run.pretrain for run in evaluations if run.pretrain.weights()}
    return Evidence(budget, scores, {folder: runs[folder] for folder in sorted(runs)})


def _made_tables(budget: str) -> list[str]:
    tables = read_config().tables
    return [name for name in tables if paths.table(budget, name).is_file()]


def runs_of(scores: pd.DataFrame) -> list[EvalRun]:
    """Return the runs that rows of scores are of, each once."""
    names = ["budget", "corpus", "method", "variant", "ablation", "encoder", "seed"]
    names += ["dataset", "task", "fold", "protocol", "selection", "fraction"]
    return [
        run_of({str(name): cell for name, cell in row.items()})
        for row in scores[names].drop_duplicates().to_dict("records")
    ]


def record(run: Run) -> dict[str, Any]:
    """Return what a run says of itself, its `run.json`; nothing where it says nothing."""
    path = run.folder() / paths.RUN
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


def files(run: Run) -> list[Path]:
    """Return the files that a finished run leaves beside its weights and its log."""
    folder, has_losses = run.folder(), True
    if isinstance(run, EvalRun):
        has_losses = run.protocol == "finetune" and run.pretrain.encoder != OWN_NETWORK
    names = [paths.RUN, paths.SPEC]
    names += [paths.CASES] if isinstance(run, EvalRun) else []
    names += [paths.LOSSES] if has_losses else []
    return [folder / name for name in names]
