"""Every path of the project. No other module, rule or plug-in spells one out."""

import os
from pathlib import Path

from voxelbench.errors import ConfigError

MARKER = "Snakefile"
"""The file whose presence marks the root of a checkout."""


CODE = ("src", "methods", "datasets", "config")
"""What of a checkout decides numbers."""


def checkout() -> Path | None:
    """Return the root of the checkout that holds the working directory, or None outside of one."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if _is_checkout(folder)), None)


def _is_checkout(folder: Path) -> bool:
    return (folder / MARKER).is_file() and (folder / "methods").is_dir()


def plugin_folders(kind: str) -> list[Path]:
    """Return the folders that hold plug-ins of `kind` ("methods" or "datasets").

    They lie under $VOXELBENCH_PLUGINS (several, separated as in PATH), else in the checkout, else there are none.
    """
    named = os.environ.get("VOXELBENCH_PLUGINS")
    roots = [Path(root) for root in named.split(os.pathsep)] if named else [checkout()]
    return [root / kind for root in roots if root is not None and (root / kind).is_dir()]


# Results. A run's folder is named from its identity alone, so that two runs never share one.

RESULTS = Path("results")
PRETRAIN_RUN = "{corpus}/{method}/{encoder}/seed{seed}"
EVALUATE_RUN = "{dataset}-{task}/{selection}-{protocol}-f{fraction}/{corpus}/{method}/{encoder}/seed{seed}-fold{fold}"


def pretrain_runs(budget: str) -> Path:
    """Folder of all pretraining runs of a budget."""
    return RESULTS / budget / "pretrain"


def evaluate_runs(budget: str) -> Path:
    """Folder of all evaluation runs of a budget."""
    return RESULTS / budget / "evaluate"


def pretrain_run(budget: str, **identity: object) -> Path:
    """Folder of one pretraining run; `identity` gives the fields of PRETRAIN_RUN."""
    return pretrain_runs(budget) / PRETRAIN_RUN.format(**identity)


def evaluate_run(budget: str, **identity: object) -> Path:
    """Folder of one evaluation run; `identity` gives the fields of EVALUATE_RUN."""
    return evaluate_runs(budget) / EVALUATE_RUN.format(**identity)


def snapshot(run: Path, step: int) -> Path:
    """Weights of a pretraining run as they were after `step` steps."""
    return run / "snapshots" / f"step{step:07d}.safetensors"


MAIN_TABLE = "table1"


def scores(budget: str, table: str) -> Path:
    """The tidy CSV behind one table: `scores.csv` behind the main one, `scores_<table>.csv` behind the others."""
    return _of_table(budget, "scores", table)


CONTAMINATION_GATE = "{corpus}/{dataset}-{task}-fold{fold}.json"


def contaminations(budget: str) -> Path:
    """Folder of all records of the contamination gate of a budget."""
    return RESULTS / budget / "contamination"


def contamination(budget: str, **identity: object) -> Path:
    """The record of one corpus against one task; `identity` gives the fields of CONTAMINATION_GATE."""
    return contaminations(budget) / CONTAMINATION_GATE.format(**identity)


def case_scores(budget: str, table: str) -> Path:
    """The headline value of each test case of each run behind one table, tidy; beside its scores."""
    return _of_table(budget, "cases", table)


def comparisons(budget: str, table: str) -> Path:
    """What statistics say of each cell of one table."""
    return _of_table(budget, "comparisons", table)


def ranks(budget: str, table: str) -> Path:
    """The mean ranks of one table's rows over its columns."""
    return _of_table(budget, "ranks", table)


COST = "cost"
COST_SUMMARY = "cost_summary"


def cost(budget: str, table: str) -> Path:
    """What each run behind one table cost."""
    return _of_table(budget, COST, table)


def cost_summary(budget: str, table: str) -> Path:
    """What each row of one table cost, in all and cell by cell."""
    return _of_table(budget, COST_SUMMARY, table)


def _of_table(budget: str, what: str, table: str) -> Path:
    return RESULTS / budget / (f"{what}.csv" if table == MAIN_TABLE else f"{what}_{table}.csv")


def table(budget: str, name: str) -> Path:
    """The table of one budget, beside its renderings (.md, .tex). Its copy for users is `placed(name)`."""
    return RESULTS / budget / f"{name}.csv"


DELTA = "delta"


def delta(budget: str) -> Path:
    """Published values beside those of one budget, each with its verdict."""
    return RESULTS / budget / f"{DELTA}.csv"


FIGURES = "figures"


def figure(budget: str, name: str, suffix: str = ".png") -> Path:
    """One figure; `.png` and `.svg` to look at, `.csv` the numbers that it shows."""
    return RESULTS / budget / FIGURES / f"{name}{suffix}"


def analysis(budget: str, name: str) -> Path:
    """Folder of what one analysis of encoders found."""
    return RESULTS / budget / "analysis" / name


def made(budget: str, name: str) -> list[Path]:
    """Return what a budget made under a name, in each of its formats: `table1`, `delta`, `figures/overall`."""
    path = RESULTS / budget / name
    return sorted(path.parent.glob(f"{path.name}.*"))


def placed(name: str, suffix: str = ".csv") -> Path:
    """What a user asks for: a copy of what the configured budget made under this name."""
    return RESULTS / f"{name}{suffix}"


LEADERBOARD = RESULTS / "leaderboard"


def published_leaderboard() -> Path:
    """Values that publications state, each with its source; a part of the checkout."""
    return LEADERBOARD / "published.csv"


def own_leaderboard(version: str) -> Path:
    """What this version of voxelbench measured."""
    return LEADERBOARD / f"voxelbench-{version}.csv"


def submitted_leaderboards() -> Path:
    """Folder of what others submitted, scored again here."""
    return LEADERBOARD / "submitted"


def submitted_leaderboard(method: str, sha8: str) -> Path:
    """One of them, named from its method and its bytes."""
    return submitted_leaderboards() / f"{method}-{sha8}.csv"


def submitted_cases(leaderboard: Path) -> Path:
    """The value of each test case behind it."""
    return leaderboard.with_name(f"{leaderboard.stem}-cases.csv")


def site() -> Path:
    """The first page of the static site."""
    return RESULTS / "site" / "index.html"


# Data.


def downloads(data_root: Path) -> Path:
    """Fetched archives, shared by all datasets."""
    return data_root / "downloads"


def raw(data_root: Path, dataset: str, data: str) -> Path:
    """A dataset in its native layout: the real one, or its synthetic twin."""
    return data_root / ("raw" if data == "real" else "phantom") / dataset


def prepared(data_root: Path, dataset: str, data: str, grid: str) -> Path:
    """A prepared dataset on one grid: "native", or a spacing such as "6mm"."""
    return data_root / "prepared" / dataset / f"{data}-{grid}"


def manifest(prepared_folder: Path) -> Path:
    """The table of the cases of a prepared dataset, written last: where it exists, the folder is complete."""
    return prepared_folder / "manifest.csv"


def supplied_splits(prepared_folder: Path) -> Path:
    """The splits that lie with the data and not in this repository, as `splits.csv` of a dataset has them."""
    return prepared_folder / "splits.csv"


def sources(prepared_folder: Path) -> Path:
    """Where each prepared case came from: one JSON line a case."""
    return prepared_folder / "sources.jsonl"


def journal(prepared_folder: Path) -> Path:
    """What a preparation has finished, for the next one in the same folder."""
    return prepared_folder / "journal.jsonl"


def refused_cases(prepared_folder: Path) -> Path:
    """The cases that the last preparation refused, with the reason of each; absent if there are none."""
    return prepared_folder / "refused.csv"


def fingerprint(prepared_folder: Path, image_sha256: str, channel: str) -> Path:
    """What the contamination gate knows of one channel of a prepared case; made when it is first asked for."""
    return prepared_folder / "fingerprints" / f"{image_sha256[:16]}-{channel}.npz"


# Configuration, in the checkout.


def _in_checkout(*parts: str) -> Path:
    root = checkout()
    if root is None:
        raise ConfigError(
            f"{Path.cwd()} is not inside a checkout of voxelbench (no {MARKER} here or above); change to one."
        )
    return root.joinpath(*parts)


def config_file() -> Path:
    """What to run."""
    return _in_checkout("config", "config.yaml")


def budgets() -> Path:
    """How long to run: one file a budget."""
    return _in_checkout("config", "budgets")


def encoders() -> Path:
    """Named networks: one file a preset."""
    return _in_checkout("config", "encoders")


def recipes() -> Path:
    """How tasks are finetuned: one file a kind."""
    return _in_checkout("config", "recipes")


CITATION = "CITATION.cff"
CONSTRAINTS = "constraints.txt"
LICENCE = "LICENSE"
DICTIONARY = "results/README.md"


def in_checkout(name: str) -> Path:
    """A file that comes with the checkout, such as CITATION."""
    return _in_checkout(name)


def schemas() -> Path:
    """JSON Schemas of the rows of the tidy CSVs, exported from their models."""
    return _in_checkout("workflow", "schemas")


def row_schema(name: str) -> str:
    """The file of one of them, by the name of its CSV."""
    return f"{name}.schema.json"


def document(name: str) -> Path:
    """A file that people read, by its path in the checkout, such as `docs/protocol.md`."""
    return _in_checkout(name)


def documents() -> list[str]:
    """Return the documents that explain the results, sorted: those of `docs`, without its decisions on the harness."""
    root = _in_checkout()
    return sorted(path.relative_to(root).as_posix() for path in (root / "docs").glob("*.md"))


def interpreter(method: str) -> Path:
    """The Python of an external method's own environment."""
    return _in_checkout(f".venv-{method}", "bin", "python")


# Files of a run.

BACKBONE = "backbone.safetensors"
SPEC = "spec.yaml"
RUN = "run.json"
FAILED = "failed.json"
LOSSES = "losses.csv"
CASES = "cases.csv"
EXAMPLES = "examples.npz"
LOG = "log.txt"
CHECKPOINT = "checkpoint.pt"
SELECTED = "selected.pt"
WORK = "work"

# Files of an analysis.

SCORES = "scores.csv"
TOKENS = "tokens.csv"
POINTS = "points.csv"
SLICES = "slices.npz"

# Files of an export.

EXPORTED_WEIGHTS = "model.safetensors"
EXPORTED_CARD = "README.md"

# Files of a crate.

CRATE_METADATA = "ro-crate-metadata.json"
CRATE_CHECKSUMS = "SHA256SUMS"
CRATE_README = "README.md"
