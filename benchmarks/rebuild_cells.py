"""Rebuilds random cells of a table from what their runs left, in clean clones, and compares the bytes.

    python benchmarks/rebuild_cells.py table1 --cells 10 --seed 0

Of each run of a cell only `run.json` is read: the commit and the line `rebuild`. The clone of that commit has neither
data nor results, so the line makes twins or downloads, preparation, pretraining and evaluation anew. Gated data come
from `--raw`, as their owners gave them. Prints a line a run: equal, or what differs; exits with 1 unless all are equal.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from voxelbench import paths
from voxelbench.config import read_config, table_budget
from voxelbench.expand import RowId, table_runs
from voxelbench.runs import EvalRun

COMPARED = (paths.CASES, paths.LOSSES)


def main() -> int:
    """Rebuild the cells and return how many runs differ, as an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("--budget", help="default: the table's own, else the configured one")
    parser.add_argument("--cells", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--raw", type=Path, help="folder with the native layouts of gated datasets")
    parser.add_argument("--into", type=Path, help="folder for the clones, kept (default: a temporary one)")
    options = parser.parse_args()
    made = made_cells(options.table, table_budget(options.table, options.budget))
    if not made:
        sys.exit(f"{options.table}: no cell of it is made yet; make it with `make {paths.placed(options.table)}`.")
    names = random.Random(options.seed).sample(sorted(made), min(options.cells, len(made)))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.into or Path(temporary)
        found = [(name, run, rebuild(run, folder, options.raw)) for name in names for run in made[name]]
        for (column, method, encoder), run, said in found:
            print(f"{column}\t{method}\t{encoder}\tseed {run.pretrain.seed}\tfold {run.fold}\t{said}")
    return int(any(said != "equal" for _, _, said in found))


def made_cells(table: str, budget: str) -> dict[tuple[str, str, str], list[EvalRun]]:
    """Return the runs of each cell all of whose runs left scores, by column, method and encoder."""
    cells: dict[tuple[str, str, str], list[EvalRun]] = {}
    for column, run in table_runs(table, budget):
        row = RowId(run.pretrain.method, run.pretrain.encoder)
        cells.setdefault((column.name, str(row.method), row.encoder), []).append(run)
    return {name: runs for name, runs in cells.items() if all((run.folder() / paths.CASES).is_file() for run in runs)}


def rebuild(run: EvalRun, folder: Path, raw: Path | None) -> str:
    """Make a run anew in a clone of its commit; return `equal`, or what differs or went wrong."""
    record = json.loads((run.folder() / paths.RUN).read_text(encoding="utf-8"))
    code = record.get("code", {"commit": None, "n_changed": None})
    if code["commit"] is None or code["n_changed"]:
        return f"no commit holds its code ({code['n_changed']} files changed)"
    clone = _clone(code["commit"], folder, raw)
    # The line is pasted into a shell as it stands; `snakemake` and `python` are those that run this script.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        record["rebuild"], shell=True, cwd=clone, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        return f"failed: {done.stderr.strip().splitlines()[-1]}"
    differing = [name for name in COMPARED if _sha256(run.folder() / name) != _sha256(clone / run.folder() / name)]
    return f"differs: {', '.join(differing)}" if differing else "equal"


def _clone(commit: str, folder: Path, raw: Path | None) -> Path:
    """Return a clean clone of a commit, made once."""
    clone = folder / commit[:12]
    if not clone.is_dir():
        subprocess.run(("git", "clone", "-q", str(paths.checkout()), str(clone)), check=True)
        subprocess.run(("git", "-C", str(clone), "checkout", "-q", commit), check=True)
        if raw is not None:
            data = clone / read_config().data_root
            data.mkdir()
            (data / "raw").symlink_to(raw.resolve())
    return clone


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
