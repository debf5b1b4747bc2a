"""From scores of cases to tables, figures, verdicts and pages: a planted effect comes out everywhere, and no other."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic_results import lay_out, standing_in

from voxelbench import __version__, paths
from voxelbench.expand import table_runs
from voxelbench.leaderboard.export import export_leaderboard, write_delta
from voxelbench.leaderboard.file import read_leaderboard, write_leaderboard
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.report.compare import write_comparisons
from voxelbench.report.figures.draw import write_figure
from voxelbench.report.identity import identity
from voxelbench.report.rows import CaseRow, ComparisonRow, RankRow, ScoreRow
from voxelbench.report.schema import read_table
from voxelbench.report.site.render import write_site
from voxelbench.report.tables import write_table

BUDGET, TABLE, N_PATIENTS, LEVEL = "full", "planted", 60, 50.0
COLUMNS = ("btcv", "msd_spleen", "brats21", "autopet")
METHODS = ("scratch", "s2dc.code", "voco.code", "swinmm.code")
PLANTED = {"scratch": 0, "s2dc": 10, "voco": 0, "swinmm": -10}
"""What each method has more than scratch, times 100."""
NOTHING = dict.fromkeys(PLANTED, 0)
CLAIMED = {"scratch": 50, "s2dc": 60, "voco": 60}
"""What publications say of BTCV."""


def make(root, effects):
    """Make all that follows from scores of cases in which methods have these effects."""
    lay_out(root, (TABLE,))
    file = root / "config" / "config.yaml"
    columns = [{"name": name, "dataset": name, "task": "segmentation"} for name in COLUMNS]
    table = {"title": "Planted", "methods": list(METHODS), "seeds": [0, 1], "selection": "upstream", "average": True}
    figures = {"bars": {"kind": "bars", "table": TABLE}}
    changes = {"budget": BUDGET, "tables": {TABLE: table | {"columns": columns}}, "figures": figures, "analyses": {}}
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))
    budget = root / "config" / "budgets" / f"{BUDGET}.yaml"
    budget.write_text(yaml.safe_dump(yaml.safe_load(budget.read_text()) | {"leaderboard": [TABLE]}))
    with standing_in(root):
        write_leaderboard(paths.published_leaderboard(), map(claim, CLAIMED))
        write_evidence(effects)
        write_comparisons(TABLE, BUDGET)
        write_table(TABLE, BUDGET, allow_missing=False)
        write_delta(BUDGET)
        write_figure("bars", BUDGET)


def claim(method):
    facts = {"dataset": "btcv", "task": "segmentation", "metric": "dice", "protocol": "finetune", "data": "real"}
    facts |= {"selection": "upstream", "split": "swin_unetr_24_6", "fold": "0", "space": "grid"}
    facts |= {"budget": "published", "source": "paper", "table": "1", "certainty": "read", "value": CLAIMED[method]}
    baseline = "" if method == "scratch" else "scratch"
    return LeaderboardRow.model_validate(facts | {"method": method, "baseline": baseline})


def write_evidence(effects):
    """Write scores and cases: patients differ much, methods by their effects, runs and cases by some noise."""
    rng = np.random.RandomState(7)
    patients = {name: rng.uniform(-15, 15, N_PATIENTS) for name in COLUMNS}
    patients = {name: found - found.mean() for name, found in patients.items()}
    scores, cases = [], []
    for column, run in table_runs(TABLE, BUDGET):
        named = identity(TABLE, column, run) | {"metric": "dice", "space": "grid"}
        noise = rng.normal(0, 2, N_PATIENTS)
        values = (LEVEL + effects[run.pretrain.method.name] + patients[column.name] + noise - noise.mean()) / 100
        mean = f"{values.mean():.4f}"
        scores.append(
            named
            | {"value": mean, "n_cases": N_PATIENTS, "value_clean": mean, "n_clean": N_PATIENTS, "status": "ok"}
            | {"seen": "none", "contamination": "clean"}
        )
        cases += [named | {"case_id": f"c{i:02}", "patient_id": f"p{i:02}", "value": v} for i, v in enumerate(values)]
    for path, model, rows in (
        (paths.scores(BUDGET, TABLE), ScoreRow, scores),
        (paths.case_scores(BUDGET, TABLE), CaseRow, cases),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=model.columns()).to_csv(path, index=False, float_format="%.6f", lineterminator="\n")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    root = tmp_path_factory.mktemp("planted")
    make(root, PLANTED)
    with standing_in(root):
        export_leaderboard(BUDGET, force=False)
        write_site(BUDGET)
    return root


@pytest.fixture(scope="module")
def null(tmp_path_factory):
    root = tmp_path_factory.mktemp("null")
    make(root, NOTHING)
    return root


def comparisons(root):
    return read_table(root / paths.comparisons(BUDGET, TABLE), ComparisonRow).set_index(["column", "method"])


def ranks(root):
    return read_table(root / paths.ranks(BUDGET, TABLE), RankRow).set_index("method")


def csv(root, path):
    return pd.read_csv(root / path).set_index("method")


def test_planted_effects_have_their_size_and_nothing_else_is_found(planted):
    found = comparisons(planted)
    assert len(found) == len(COLUMNS) * len(METHODS)
    for (_, method), cell in found.iterrows():
        assert cell["value"] == pytest.approx(LEVEL + PLANTED[method], abs=0.1)
        if method != "scratch":
            assert cell["scratch_difference"] == pytest.approx(PLANTED[method], abs=0.1)
            assert (cell["scratch_p_holm"] < 0.05) == (PLANTED[method] != 0)
        assert cell["group"] == {10: 1, 0: 2, -10: 3}[PLANTED[method]]


def test_the_winner_ranks_first_on_every_dataset_and_the_loser_last(planted):
    found = ranks(planted)
    assert (found["n_datasets"] == len(COLUMNS)).all() and (found["friedman_p"] < 0.05).all()
    assert found["mean_rank"].idxmin() == "s2dc" and found.loc["s2dc", "mean_rank"] == 1
    assert found["mean_rank"].idxmax() == "swinmm" and found.loc["swinmm", "mean_rank"] == 4
    assert not set(found.loc["s2dc", "group"]) & set(found.loc["swinmm", "group"])


def test_table_figure_and_leaderboard_have_the_same_values_and_groups(planted):
    table, compared = csv(planted, paths.table(BUDGET, TABLE)), comparisons(planted)
    bars = csv(planted, paths.figure(BUDGET, "bars", ".csv"))
    rows = {row.method: row for row in read_leaderboard(planted / paths.own_leaderboard(__version__)) if is_btcv(row)}
    for method in PLANTED:
        cell = compared.loc[("btcv", method)]
        bar = bars.loc[method].set_index("panel").loc["btcv"]
        for shown in (table.loc[method, "btcv"], bar["value"], rows[method].value):
            assert shown == pytest.approx(cell["value"], abs=0.01)
        for group in (table.loc[method, "btcv_group"], bar["group"]):
            assert group == cell["group"]
        assert table.loc[method, "average"] == pytest.approx(LEVEL + PLANTED[method], abs=0.1)
        assert rows[method].n_patients == N_PATIENTS and rows[method].n_seeds == 2


def is_btcv(row):
    return (row.dataset, row.metric, row.statistic, row.space) == ("btcv", "dice", "mean", "grid")


def test_a_true_claim_is_reproduced_and_a_false_one_is_not(planted, null):
    found = csv(planted, paths.delta(BUDGET))
    assert found["verdict"].to_dict() == {"s2dc": "reproduced", "scratch": "within interval", "voco": "not reproduced"}
    assert found["gain_verdict"].dropna().to_dict() == {"s2dc": "reproduced", "voco": "not reproduced"}
    nothing = csv(null, paths.delta(BUDGET))
    assert nothing.loc[["s2dc", "voco"], "verdict"].tolist() == ["not reproduced"] * 2
    assert nothing.loc[["s2dc", "voco"], "gain_verdict"].tolist() == ["not reproduced"] * 2


def test_where_nothing_differs_nobody_wins(null):
    found = comparisons(null)
    assert (found["group"] == 1).all()
    assert not (found["scratch_p_holm"] < 0.05).any() and not (found["best_p_holm"] < 0.05).any()
    table, bars = csv(null, paths.table(BUDGET, TABLE)), csv(null, paths.figure(BUDGET, "bars", ".csv"))
    assert (table[[f"{name}_group" for name in COLUMNS]] == 1).all(axis=None)
    assert set(bars["group"].dropna()) == {1}
    ranked = ranks(null)
    assert (ranked["friedman_p"] > 0.05).all() and len(set.intersection(*map(set, ranked["group"]))) == 1


def test_the_site_shows_the_planted_values_and_verdicts(planted):
    site = (planted / paths.site()).parent
    pages = {path.relative_to(site).as_posix(): path.read_text() for path in site.rglob("*.html")}
    rows = [re.sub(r"<[^>]+>", " ", row) for row in re.findall("<tr.*?</tr>", pages["index.html"], flags=re.DOTALL)]
    for method, value in (("s2dc.code", "60.0"), ("scratch", "50.0"), ("swinmm.code", "40.0")):
        shown = [row for row in rows if row.split()[:1] == [method]]
        assert len(shown) == 1 + len(COLUMNS) and all(value in row for row in shown)
        assert not [row for row in shown for other in {"40.0", "50.0", "60.0"} - {value} if other in row]
    of_s2dc = [text for name, text in pages.items() if name.startswith("cell") and "s2dc" in name and "btcv" in name]
    assert of_s2dc and all("<strong>60.0" in text for text in of_s2dc)
