"""The report of the workflow: one page without a network, where every table and figure says its budget and its data."""

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def snakemake(folder, *arguments):
    command = [str(BIN / "snakemake"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return the report of one table whose files are stand-ins."""
    root = tmp_path_factory.mktemp("report")
    names = ("config", "methods", "datasets", "src", "workflow", "profiles", "Snakefile", "results/leaderboard")
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    file = root / "config" / "config.yaml"
    column = {"name": "msd_spleen", "dataset": "msd_spleen", "task": "segmentation"}
    content = yaml.safe_load(file.read_text()) | {"methods": ["scratch"], "figures": {}, "analyses": {}}
    content |= {"tables": {"table1": {"title": "One dataset", "columns": [column]}}, "site": {}}
    content["leaderboard"] = ["table1"]
    file.write_text(yaml.safe_dump(content))
    for line in snakemake(root, "--summary", "evidence").stdout.splitlines()[1:]:
        output = root / line.split("\t")[0]
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(f"made,{output.name}\n")
    snakemake(root, "--touch", "--cores", "1", "evidence")
    snakemake(root, "--report", "report.html", "evidence")
    return (root / "report.html").read_text()


def embedded(page, name):
    """Return a value of the page's own script."""
    return json.JSONDecoder().raw_decode(page.rpartition(f"var {name} = ")[2])[0]


def test_every_table_figure_and_cost_is_inside_with_its_budget_and_data(page):
    results = embedded(page, "results")
    names = ("table1.csv", "comparisons.csv", "ranks.csv", "cost_summary.csv", "delta.csv", "figures/overall.png")
    assert set(results) == {f"results/demo/{name}" for name in names}
    for path, shown in results.items():
        assert base64.b64decode(shown["data_uri"].partition("base64,")[2]) == f"made,{Path(path).name}\n".encode()
        assert "ranks no method" in shown["caption"] or "can be compared with nothing" in shown["caption"]
        assert "demo" in shown["caption"] and shown["labels"]["budget"] == "demo"


def test_tables_come_first(page):
    ordered = ["1 Tables", "2 Statistics", "3 Figures", "4 Published values", "5 Cost"]
    assert sorted(embedded(page, "categories")) == ordered


def test_the_report_says_how_to_read_it_and_asks_no_network(page):
    assert "results on phantoms (synthetic twins) show that the whole road" in embedded(page, "workflow_desc")
    assert not re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']https?:""", page)
