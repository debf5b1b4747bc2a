"""What a table costs: each run as its record says, each pretraining once, and no sum over a part that nobody knows."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from voxelbench import config, expand, paths
from voxelbench.atomic import write_text
from voxelbench.report.cost import NO_RECORD, RESUMED, write_cost
from voxelbench.report.rows import CostRow
from voxelbench.report.schema import read_table
from voxelbench.runs import NO_CORPUS


@pytest.fixture
def table(checkout):
    """Return the runs of a table of two methods and two columns, of which one pretraining serves both."""
    file = checkout / "config" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    content["methods"], content["figures"] = ["scratch", "s2dc.code"], {}
    content["site"] = {"tables": ["small"]}
    columns = [{"name": name, "dataset": name, "task": "segmentation"} for name in ("msd_liver", "msd_spleen")]
    content["tables"] = {"small": {"title": "Small", "columns": columns}}
    file.write_text(yaml.safe_dump(content))
    config.read_config.cache_clear()
    return [run for _, run in expand.table_runs("small", "demo")]


def leave(folder, result, **changes):
    record = {
        **{"device": "cpu", "n_processes": 1, "is_resumed": False, "seconds": {"data": 600, "train": 1200}},
        **{"cpu_seconds": 3600, "energy_j": 7200.0, "energy_source": "rapl", "peak_memory_mb": 900},
        **{"n_parameters": 10, "n_trained_parameters": 8, "flops_per_step": 2 * 10**9, "n_steps": 500},
    }
    write_text(folder / paths.RUN, json.dumps(record | changes))
    write_text(folder / result, "")


def leave_all(runs, **changes):
    for run in runs:
        leave(run.folder(), paths.CASES, **changes)
        if run.pretrain.corpus != NO_CORPUS:
            leave(run.pretrain.folder(), paths.BACKBONE, **changes)


def costs():
    write_cost("small", "demo")
    rows = read_table(paths.cost("demo", "small"), CostRow)
    summary = pd.read_csv(paths.cost_summary("demo", "small")).set_index(["column", "method"])
    return rows.set_index(["stage", "method", "column"]).sort_index(), summary


def test_a_pretraining_stands_once_and_counts_in_each_cell(table):
    leave_all(table)
    rows, summary = costs()
    assert len(rows) == 5 and rows.loc[("pretrain", "s2dc", ""), "hours"] == 0.5
    assert (rows["gpu_hours"] == 0).all() and (rows["cpu_hours"] == 1).all() and (rows["energy_wh"] == 2).all()
    own, scratch = summary.loc[("msd_liver", "s2dc")], summary.loc[("msd_liver", "scratch")]
    assert (own["pretrain_hours"], own["evaluate_hours"], own["energy_wh"]) == (0.5, 0.5, 4.0)
    assert (scratch["pretrain_hours"], scratch["pretrain_tflop"], scratch["evaluate_tflop"]) == (0, 0, 1.0)
    total = summary.loc[("all", "s2dc")]
    assert (total["n_runs"], total["pretrain_hours"], total["evaluate_hours"]) == (3, 0.5, 1.0)
    assert (total["peak_memory_mb"], total["n_parameters"], total["cpu_hours"]) == (900, 10, 3)


def test_gpu_hours_count_every_gpu(table):
    leave_all(table, device="cuda", n_processes=4)
    rows, _ = costs()
    assert (rows["gpu_hours"] == 2.0).all() and (rows["hours"] == 0.5).all()


def test_what_no_meter_counted_is_in_no_sum(table):
    leave_all(table)
    one = table[-1]
    leave(one.folder(), paths.CASES, energy_j=None, energy_source="no meter: none")
    rows, summary = costs()
    row = rows.loc[("evaluate", one.pretrain.method.name, one.dataset)]
    assert pd.isna(row["energy_wh"]) and row["energy_source"] == "no meter: none" and row["hours"] == 0.5
    assert summary["energy_wh"].isna().sum() == 2, "the cell and the method's sum"
    assert summary["evaluate_hours"].notna().all()


def test_runs_without_a_record_have_their_reason_and_their_sum_is_empty(table):
    leave_all(table)
    failed = next(run for run in table if run.pretrain.corpus != NO_CORPUS)
    (failed.folder() / paths.CASES).unlink()
    write_text(failed.folder() / paths.FAILED, json.dumps({"reason": "out of memory."}))
    (failed.pretrain.folder() / paths.RUN).unlink()
    rows, summary = costs()
    row, pretrained = rows.loc[("evaluate", "s2dc", failed.dataset)], rows.loc[("pretrain", "s2dc", "")]
    assert (row["status"], row["reason"]) == ("failed", "failed: out of memory.")
    assert (pretrained["status"], pretrained["reason"]) == ("missing", NO_RECORD)
    total = summary.loc[("all", "s2dc")]
    assert total["n_without"] == 2 and np.isnan(total["evaluate_hours"]) and np.isnan(total["pretrain_hours"])
    assert total["reason"] == f"{NO_RECORD} | failed: out of memory."
    assert summary.loc[("all", "scratch"), "evaluate_hours"] == 1.0


def test_gated_runs_say_what_is_needed(table):
    write_cost("small", "full", controls=[])
    rows = read_table(paths.cost("full", "small"), CostRow)
    assert set(rows["status"]) == {"gated", "missing"} and rows["hours"].isna().all()
    (pretrained,) = rows[rows["stage"] == "pretrain"]["reason"]
    assert pretrained.startswith("gated: ")


def test_a_resumed_run_says_that_it_took_more(table):
    leave_all(table, is_resumed=True)
    rows, _ = costs()
    assert (rows["reason"] == RESUMED).all() and (rows["status"] == "ok").all()


def test_costs_are_equal_bytes_when_made_again(table):
    leave_all(table)
    made = []
    for _ in range(2):
        write_cost("small", "demo")
        made.append([path("demo", "small").read_bytes() for path in (paths.cost, paths.cost_summary)])
    assert made[0] == made[1]
