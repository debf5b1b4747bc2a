"""The graph: it has the jobs that the config implies, reruns what was edited and nothing else, and refuses early."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from voxelbench import __version__, expand, registry, resolve
from voxelbench.config import read_config

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path):
    """Return a copy of the checkout with one table of one dataset and two pretext methods."""
    names = ("config", "methods", "datasets", "src", "workflow", "profiles", "Snakefile")
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    file = tmp_path / "config" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    content["methods"] = ["scratch", "s2dc", "other"]
    content["corpora"] = {"ct": {"title": "CT", "source": "", "members": [{"dataset": "msd_spleen", "channel": "ct"}]}}
    content["corpus_for"] = {"CT": "ct"}
    column = {"name": "msd_spleen", "dataset": "msd_spleen", "task": "segmentation"}
    content["tables"] = {"table1": {"title": "One dataset", "columns": [column]}}
    content |= {"figures": {}, "site": {}, "leaderboard": ["table1"]}
    file.write_text(yaml.safe_dump(content))
    shutil.copytree(tmp_path / "methods" / "_template", tmp_path / "methods" / "other")
    card = tmp_path / "methods" / "other" / "card.yaml"
    card.write_text(card.read_text().replace("_template", "other"))
    return tmp_path


def snakemake(folder, *arguments, **environment):
    command = [str(BIN / "snakemake"), *arguments]
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def jobs(done):
    """Return the number of jobs of each rule, as a dry run counts them."""
    assert done.returncode == 0, done.stderr + done.stdout
    counted = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    counted.pop("total", None)
    return {rule: int(n) for rule, n in counted.items()}


def test_table1_needs_what_the_config_implies(tmp_path, monkeypatch):
    """From nothing: the runs of the table, their pretrainings, and each dataset and grid prepared once."""
    for name in ("config", "methods", "datasets", "src", "workflow", "profiles", "Snakefile"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(ROOT)
    budget = read_config().budget
    runs = [run for _, run in expand.table_runs("table1", budget)]
    pretrained = {run.pretrain for run in runs if resolve.eval_spec(run).pretrain_sha256}
    manifests = {expand.eval_manifest(run) for run in runs}
    manifests |= {path for run in pretrained for path in expand.pretrain_manifests(run).values()}
    gates = {(run.pretrain.corpus, run.dataset, run.task) for run in runs if run.contamination()}
    for corpus, dataset, _ in gates:
        manifests |= set(expand.contamination_manifests(corpus, dataset, budget).values())
    datasets = {path.parts[-3] for path in manifests}
    assert jobs(snakemake(tmp_path, "-n", "results/table1.csv")) == {
        "evaluate": len(runs),
        "pretrain": len(pretrained),
        "prepare": len(manifests),
        "contamination": len(gates),
        "phantom": sum(registry.dataset_card(name).twin is not None for name in datasets),
        "main_scores": 1,
        "main_compare": 1,
        "table": 1,
        "figure": 1,
        "place": 1,
    }


def test_a_table_of_probes_needs_no_finetuning_and_is_made_with_its_own_budget(tmp_path, monkeypatch):
    for name in ("config", "methods", "datasets", "src", "workflow", "profiles", "Snakefile"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(ROOT)
    runs = [run for _, run in expand.table_runs("learning", "learn")]
    pretrained = {run.pretrain for run in runs if run.pretrain.weights()}
    planned = jobs(snakemake(tmp_path, "-n", "results/learning.csv", "results/figures/learning.svg"))
    assert (planned["probe"], planned["pretrain"]) == (len(runs), len(pretrained)) and "evaluate" not in planned
    assert planned["figure"] == planned["place_figure"] == 1
    assert jobs(snakemake(tmp_path, "-n", "results/learn/learning.csv"))["probe"] == len(runs)


def test_lint_and_format():
    linted = snakemake(ROOT, "--lint")
    assert linted.returncode == 0, linted.stdout + linted.stderr
    formatted = subprocess.run(
        [BIN / "snakefmt", "--check", "Snakefile", "workflow"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr


def test_an_edited_method_reruns_its_own_jobs_alone(checkout):
    target = "results/table1.csv"
    for line in snakemake(checkout, "--summary", target).stdout.splitlines()[1:]:
        output = checkout / line.split("\t")[0]
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("made\n")
    touched = snakemake(checkout, "--touch", "--cores", "1", target)
    assert touched.returncode == 0, touched.stderr
    assert jobs(snakemake(checkout, "-n", target)) == {}

    source = checkout / "methods" / "other" / "method.py"
    source.write_text(source.read_text() + "\n# edited\n")
    dry = snakemake(checkout, "-n", target)
    found = jobs(dry)
    assert found["pretrain"] == 1 and found["evaluate"] == 1 and "prepare" not in found and "phantom" not in found
    assert set(re.findall(r"method=([\w.]+)", dry.stdout + dry.stderr)) == {"other.code"}


def test_the_test_of_a_method_is_no_source_of_its_jobs():
    assert any(registry.folder("methods", "s2dc").glob("test_*.py"))
    assert not [path.name for path in registry.sources("methods", "s2dc") if path.name.startswith("test_")]


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        ("config/config.yaml", {"budgett": "demo"}, "unknown key 'budgett'. Did you mean 'budget'?"),
        (
            "config/config.yaml",
            {"figures": {"new": {"kind": "bar"}}},
            "figure 'new' has kind 'bar', which nobody draws.",
        ),
        ("config/budgets/demo.yaml", {"thread": 1}, "unknown key 'thread'. Did you mean 'threads'?"),
        ("methods/other/config.yaml", {"setings": {}}, "unknown key 'setings'. Did you mean 'settings'?"),
    ],
)
def test_an_unknown_key_stops_before_the_graph(checkout, file, change, sentence):
    path = checkout / file
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    done = snakemake(checkout, "-n", "results/table1.csv")
    assert done.returncode != 0
    assert f"{path}: {sentence}" in done.stderr + done.stdout


def test_another_budgets_table_is_not_replaced(checkout):
    (checkout / "results").mkdir()
    (checkout / "results" / "table1.csv").write_text("method,budget\nscratch,full\n")
    refused = snakemake(checkout, "-n", "--forcerun", "place", "results/table1.csv")
    assert refused.returncode != 0
    assert "results/table1.csv holds the full budget, this run has the demo budget." in refused.stderr + refused.stdout
    asked = snakemake(checkout, "-n", "--forcerun", "place", "--config", "replace=true", "--", "results/table1.csv")
    assert jobs(asked)["place"] == 1


def test_the_full_budget_counts_gpus_and_leaves_gated_cells_out(tmp_path):
    """Nothing was downloaded: what can run is scratch on the open datasets."""
    for name in ("config", "methods", "datasets", "src", "workflow", "profiles", "Snakefile"):
        (tmp_path / name).symlink_to(ROOT / name)
    full = ("-n", "results/table1.csv", "--cores", "2", "--config", "budget=full")
    refused = snakemake(tmp_path, *full)
    assert refused.returncode != 0
    assert "budget full runs on GPUs and Snakemake was not told how many there are" in refused.stderr + refused.stdout
    planned = jobs(snakemake(tmp_path, *full, "--resources", "gpu=1"))
    datasets = [column.dataset for column in read_config().tables["table1"].columns]
    n_open = sum(registry.dataset_card(name).access.kind == "open" for name in datasets)
    assert (planned["evaluate"], planned["download"]) == (n_open, n_open)
    assert "phantom" not in planned and "pretrain" not in planned


def test_nnunet_is_a_row_on_request_where_its_environment_is(checkout):
    asked = ("-n", "results/table1.csv", "--config", "controls=[nnunet]")
    default = jobs(snakemake(checkout, "-n", "results/table1.csv"))
    python = checkout / ".venv-nnunet" / "bin" / "python"
    if find_spec("nnunetv2") is None:
        assert jobs(snakemake(checkout, *asked)) == default
    python.parent.mkdir(parents=True)
    python.write_text("")
    dry = snakemake(checkout, *asked, "-p")
    assert jobs(dry) == default | {"evaluate_external": 1}  # the native grid is prepared for pretraining already
    for command in ("scores table1", "table table1"):
        assert re.search(rf"voxelbench {command} --budget demo --controls nnunet ", dry.stdout + dry.stderr)


def test_without_conda_use_conda_says_so(checkout, tmp_path):
    """Nothing but Snakemake's own folder, without conda, and the shell's are on PATH."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "git", "env"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    done = snakemake(checkout, "-n", "--use-conda", "results/table1.csv", PATH=str(tools))
    assert done.returncode != 0
    assert "--use-conda needs conda 24.7.1 or later, and there is no `conda` on PATH: " in done.stderr + done.stdout


def test_the_comparison_with_published_values_needs_the_tables_of_the_leaderboard(checkout):
    published = Path("results", "leaderboard", "published.csv")
    (checkout / published).parent.mkdir(parents=True)
    shutil.copy(ROOT / published, checkout / published)
    own = f"results/leaderboard/voxelbench-{__version__}.csv"
    counted = jobs(snakemake(checkout, "results/delta.csv", own, "-n"))
    rules = ("main_scores", "main_compare", "delta", "place_delta", "export_leaderboard")
    assert {rule: counted[rule] for rule in rules} == dict.fromkeys(rules, 1)
    assert "table" not in counted
