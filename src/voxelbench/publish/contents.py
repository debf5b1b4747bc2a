"""What goes into a published crate: files, where they lie in a checkout, each with a line on what it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voxelbench import __version__, paths, registry
from voxelbench.config import corpus_config, leaderboard_tables
from voxelbench.figure_inputs import figure_caption, figure_names, figure_settings, figure_title
from voxelbench.publish.evidence import Evidence, files
from voxelbench.runs import EvalRun

FIGURE_SUFFIXES = (".png", ".svg", ".csv")

_DOCUMENTS = {
    paths.CITATION: "how to cite",
    paths.CONSTRAINTS: "exact versions of the packages",
    paths.DICTIONARY: "what every column means",
    paths.LICENCE: "licence",
}


@dataclass(frozen=True)
class Item:
    """A file of the checkout, at the same place in the crate; with a `text` of its own where a part is withheld."""

    path: Path
    what: str
    text: str | None = None

    @property
    def place(self) -> str:
        """Its path in the crate."""
        root = paths.checkout()
        return (self.path.relative_to(root) if root and self.path.is_absolute() else self.path).as_posix()


def contents(evidence: Evidence, weights: bool) -> list[Item]:
    """Return every file that belongs to the evidence, sorted by place; with the backbones if `weights`."""
    items = [*_of_tables(evidence), *_of_budget(evidence), *_of_runs(evidence, weights), *_of_checkout(evidence)]
    return sorted((item for item in dict.fromkeys(items) if item.path.is_file()), key=lambda item: item.place)


def _of_tables(evidence: Evidence) -> Iterator[Item]:
    budget = evidence.budget
    for name in evidence.tables:
        yield from (Item(path, f"table {name}, budget {budget}") for path in paths.made(budget, name))
        for path, what in (
            (paths.scores(budget, name), "every metric of every run"),
            (paths.case_scores(budget, name), "the headline value of every test case of every run"),
            (paths.comparisons(budget, name), "statistics of every cell"),
            (paths.ranks(budget, name), "mean ranks of the rows"),
            (paths.cost(budget, name), "hours, memory, operations and energy of every run"),
            (paths.cost_summary(budget, name), "the same of every row"),
        ):
            yield Item(path, f"{what} behind table {name}, budget {budget}")


def _of_budget(evidence: Evidence) -> Iterator[Item]:
    """Yield what is made of several tables, where all of them are in the crate; and the figures of its tables."""
    budget = evidence.budget
    if set(leaderboard_tables(budget)) <= set(evidence.tables):
        yield Item(paths.published_leaderboard(), "values that publications state, with their sources")
        if _is_of(ours := paths.own_leaderboard(__version__), budget):
            yield Item(ours, f"our values in the schema of the leaderboard, budget {budget}")
        for path in paths.made(budget, paths.DELTA):
            yield Item(path, f"published values beside those of budget {budget}, with verdicts")
    for name in figure_names():
        settings = figure_settings(name)
        if settings.table in evidence.scores:
            what = f"{figure_title(settings)}. {figure_caption(settings, budget)}"
            yield from (Item(paths.figure(budget, name, suffix), what) for suffix in FIGURE_SUFFIXES)


def _is_of(leaderboard: Path, budget: str) -> bool:
    """Whether a leaderboard is there and holds values of this budget alone."""
    return leaderboard.is_file() and set(pd.read_csv(leaderboard, usecols=["budget"])["budget"]) == {budget}


def _of_runs(evidence: Evidence, weights: bool) -> Iterator[Item]:
    names = {paths.CASES: "scores of every case", paths.RUN: "record", paths.SPEC: "what was asked of it"}
    names |= {paths.LOSSES: "loss terms of every step"}
    for run in evidence.runs.values():
        kind = "evaluation" if isinstance(run, EvalRun) else "pretraining"
        yield from (Item(path, f"{names[path.name]}, one {kind} run") for path in files(run))
        if weights and not isinstance(run, EvalRun):
            yield Item(run.folder() / paths.BACKBONE, "pretrained backbone")
        if isinstance(run, EvalRun) and (matched := run.contamination()):
            yield Item(matched, "which test cases the corpus holds")


def _of_checkout(evidence: Evidence) -> Iterator[Item]:
    for path in sorted(paths.config_file().parent.rglob("*")):
        yield Item(path, "configuration")
    for path in sorted(paths.schemas().glob("*.json")):
        yield Item(path, "JSON Schema of the rows of a CSV")
    for name, what in _DOCUMENTS.items():
        yield Item(paths.in_checkout(name), what)
    for name in methods(evidence):
        for file in (registry.CARD, registry.CONFIG):
            yield Item(registry.folder("methods", name) / file, f"facts and settings of method {name}")
    for name in datasets(evidence):
        yield Item(registry.folder("datasets", name) / registry.CARD, f"facts of dataset {name}")


def methods(evidence: Evidence) -> list[str]:
    """Return the methods that the tables have a row of."""
    return sorted({name for scores in evidence.scores.values() for name in scores["method"]})


def datasets(evidence: Evidence) -> list[str]:
    """Return the datasets that the runs with scores are tested on or pretrained on."""
    tested = {run.dataset for run in evidence.evaluations()}
    corpora = {run.corpus for run in evidence.pretrainings()}
    return sorted(tested | {member.dataset for name in corpora for member in corpus_config(name).members})
