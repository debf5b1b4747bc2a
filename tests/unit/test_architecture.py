"""Rules about the code itself: who imports whom, where torch may not be, where paths are spelled."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "src" / "voxelbench"
SNAKEFILES = [ROOT / "Snakefile", *sorted((ROOT / "workflow").rglob("*.smk"))]
PLUGINS = [path for kind in ("methods", "datasets") for path in sorted((ROOT / kind).glob("*/*.py"))]

LIGHT = [
    *("config", "cards", "paths", "registry", "resolve", "expand", "runs", "recipes", "settings", "validation"),
    *("preflight", "provenance", "cli", "scaffold", "doctor", "doctor.data", "evaluate.rows"),
    *("command_line", "code_version", "training.energy", "evaluate.examples"),
    *(f"evaluate.metrics.{name}" for name in ("classification", "image_quality", "upstream_translation")),
    *(f"data.{path.stem}" for path in sorted((ENGINE / "data").glob("[!_]*.py"))),
    *(f"data.download.{path.stem}" for path in sorted((ENGINE / "data" / "download").glob("[!_]*.py"))),
    *(f"contamination.{path.stem}" for path in sorted((ENGINE / "contamination").glob("[!_]*.py"))),
    *(f"report.{path.stem}" for path in sorted((ENGINE / "report").glob("[!_]*.py"))),
    *(f"leaderboard.{path.stem}" for path in sorted((ENGINE / "leaderboard").glob("[!_]*.py"))),
]


def imported(path):
    """Names of the modules that a file imports; relative ones begin with a dot."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            separator = "" if base.endswith(".") else "."
            yield from [base, *(f"{base}{separator}{alias.name}" for alias in node.names)]


def test_what_snakemake_and_the_jobs_without_training_import_brings_no_torch(outside_environment):
    code = f"""
import importlib, sys
for name in {LIGHT}:
    importlib.import_module("voxelbench." + name)
    heavy = sorted({{"torch", "monai"}} & set(sys.modules))
    assert not heavy, (name, heavy)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=outside_environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_plugin_never_imports_another_plugin(path):
    own = f"voxelbench.{path.parents[1].name}.{path.parent.name}"
    foreign = [
        name
        for name in imported(path)
        if re.match(r"voxelbench\.(methods|datasets)\.\w", name) and not (name + ".").startswith(own + ".")
    ]
    assert not foreign and not any(name.startswith("..") for name in imported(path))


def test_the_engine_reaches_plugins_only_through_the_registry():
    reaching = [
        path.relative_to(ENGINE).as_posix()
        for path in ENGINE.rglob("*.py")
        if any(re.match(r"voxelbench\.(methods|datasets)\b", name) for name in imported(path))
        or re.search(r"""["']voxelbench\.(methods|datasets)\.""", path.read_text(encoding="utf-8"))
    ]
    assert reaching == ["registry.py"]
    importing = [path.name for path in ENGINE.rglob("*.py") if "import_module" in path.read_text(encoding="utf-8")]
    assert importing == ["registry.py"]


def literals(path):
    """String literals of a module, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.value)
        for parent in ast.walk(tree)
        if isinstance(parent, ast.Module | ast.ClassDef | ast.FunctionDef)
        for node in parent.body
        if isinstance(node, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


SPELLED = re.compile(r"results/|\.safetensors|manifest\.csv|scores.*\.csv|cases\.csv|losses\.csv|spec\.yaml|run\.json")
SHOWN = {"report/show.py"}
"""Prose for a person that names files without opening one."""


def test_paths_are_spelled_in_one_module():
    found = {
        path.relative_to(ENGINE).as_posix(): [text for text in literals(path) if SPELLED.search(text)]
        for path in ENGINE.rglob("*.py")
    }
    spelling = {name for name, texts in found.items() if texts}
    assert spelling - SHOWN == {"paths.py"}


@pytest.mark.parametrize("path", SNAKEFILES, ids=lambda path: path.name)
def test_the_workflow_spells_no_path_of_a_result(path):
    code = [line.split("#")[0] for line in path.read_text(encoding="utf-8").splitlines()]
    assert not [line for line in code if SPELLED.search(line)]
