"""A table of probes: means and gains over the random encoder of the same seed, with intervals over seeds."""

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import ttest_1samp

from voxelbench import expand, paths
from voxelbench.evaluate.rows import Row, write_rows
from voxelbench.report.compare import write_comparisons
from voxelbench.report.figures.draw import write_figure
from voxelbench.report.place import place
from voxelbench.report.scores import write_scores
from voxelbench.report.show import show
from voxelbench.report.statistics.intervals import seed_interval
from voxelbench.report.tables import write_table

SEEDS = (0, 1, 2)
AUC = {"scratch": (0.60, 0.70, 0.65), "s2dc.code": (0.68, 0.75, 0.70)}


@pytest.fixture
def learning(checkout):
    """Return a checkout with one table of probes, in a budget of its own."""
    file = checkout / "config" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    column = {"name": "organs", "dataset": "btcv", "task": "segmentation"}
    own = {"protocol": "token_probe", "budget": "learn", "methods": list(AUC), "seeds": list(SEEDS)}
    content["tables"] = {"small": {"title": "Small", "columns": [column], **own}}
    content["site"] = {"tables": ["small"]}
    file.write_text(yaml.safe_dump(content))
    return checkout


def fake_runs(methods=tuple(AUC)):
    """Write the scores of every run: two cases, two organs, whose mean is the method's AUC for that seed."""
    for _, run in expand.table_runs("small", "learn"):
        if str(run.pretrain.method) in methods:
            mean = AUC[str(run.pretrain.method)][run.pretrain.seed]
            offsets = {("a", "liver"): 0.1, ("a", "spleen"): -0.1, ("b", "liver"): 0.2, ("b", "spleen"): -0.2}
            rows = [Row(case, case, organ, "token_auc", mean + d, 3, "tokens") for (case, organ), d in offsets.items()]
            write_rows(run.folder() / paths.CASES, rows)


def read_table():
    return pd.read_csv(paths.table("learn", "small"), keep_default_na=True).set_index("method")


def test_an_interval_over_seeds_is_students():
    values = np.array([0.3, 0.9, 0.4, 0.5])
    theirs = ttest_1samp(values, 0).confidence_interval(0.95)
    assert seed_interval(values) == pytest.approx((values.mean(), theirs.low, theirs.high))
    assert np.isnan(seed_interval(values[:1])[1:]).all()


def test_gains_are_paired_by_seed(learning):
    fake_runs()
    write_scores("small", None)
    write_comparisons("small", None)
    write_table("small", None, allow_missing=False)
    table = read_table()
    assert table["organs"].tolist() == [65.0, 71.0] and table["organs_n"].tolist() == [2, 2]
    assert (table["organs_low"] < table["organs"]).all() and table["n_seeds"].tolist() == [3, 3]
    # 8, 5 and 5: mean 6, t(2) = 4.303, standard error 1.
    gain = table.loc["s2dc", ["organs_gain", "organs_gain_low", "organs_gain_high", "organs_gain_n"]]
    assert gain.tolist() == [6.0, 1.7, 10.3, 3]
    assert np.isnan(table.loc["scratch", "organs_gain"]) and table.loc["scratch", "organs_gain_n"] == 0
    scores = pd.read_csv(paths.scores("learn", "small"))
    assert {"token_auc", "token_auc:liver"} < set(scores["metric"]) and set(scores["protocol"]) == {"token_probe"}


def test_without_the_random_encoder_there_is_a_value_and_no_gain(learning):
    fake_runs(methods=("s2dc.code",))
    write_table("small", None, allow_missing=True)
    table = read_table()
    assert table.loc["s2dc", "organs"] == 71.0 and np.isnan(table.loc["s2dc", "organs_gain"])
    assert table.loc["scratch", "notes"] == "organs: not run"


def test_a_table_of_probes_is_drawn_published_and_shown(learning, capsys):
    fake_runs()
    write_scores("small", None)
    write_comparisons("small", None)
    write_table("small", None, allow_missing=False)
    write_figure("small", None)
    assert paths.figure("learn", "small").stat().st_size > 10_000
    place("small", None, force=False)
    show(paths.placed("small"))
    shown = capsys.readouterr().out
    assert "organs_gain" in shown and "6.00 [1.70, 10.30] n=3" in shown


def test_on_the_native_track_gains_are_over_the_random_start_of_the_same_network(learning):
    """Each of two methods has its network, and so its own scratch."""
    networks = {"s2dc": "gvsl-unet-demo", "voco": "swin12-demo"}
    for name, encoder in networks.items():
        edit(learning / "methods" / name / "config.yaml", native={"demo": encoder})
    methods = ["scratch", "s2dc.code", "voco.code"]
    table = yaml.safe_load((learning / "config" / "config.yaml").read_text())["tables"]["small"]
    edit(learning / "config" / "config.yaml", tables={"small": {**table, "track": "native", "methods": methods}})
    means = {("scratch", "swin12-demo"): 0.6, ("scratch", "gvsl-unet-demo"): 0.7, ("voco.code", "swin12-demo"): 0.65}
    for _, run in expand.table_runs("small", "learn"):
        mean = means.get((str(run.pretrain.method), run.pretrain.encoder), 0.9) + run.pretrain.seed / 100
        write_rows(run.folder() / paths.CASES, [Row("a", "a", "liver", "token_auc", mean, 3, "tokens")])
    write_scores("small", None)
    write_comparisons("small", None)
    write_table("small", None, allow_missing=False)
    rows = pd.read_csv(paths.table("learn", "small")).set_index(["method", "encoder"])
    assert rows["organs_gain"].dropna().to_dict() == {("s2dc", "gvsl-unet-demo"): 20, ("voco", "swin12-demo"): 5}
    assert set(rows["track"]) == set(pd.read_csv(paths.scores("learn", "small"))["track"]) == {"native"}
    write_figure("small", None)
    assert paths.figure("learn", "small").is_file()


def edit(file, **changes):
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))
