"""Published values beside ours: which of our values counts, what keeps two from being compared, and what is not run."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelbench import __version__, paths
from voxelbench.atomic import write_text
from voxelbench.config import task_card
from voxelbench.errors import ConfigError
from voxelbench.evaluate.summary import HEADLINE
from voxelbench.expand import table_runs
from voxelbench.leaderboard.delta import COLUMNS, delta
from voxelbench.leaderboard.delta_view import view_delta
from voxelbench.leaderboard.export import export_leaderboard, write_delta
from voxelbench.leaderboard.file import read_leaderboard
from voxelbench.leaderboard.measured import Absent, Measured, measured
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.report.comparisons import comparisons
from voxelbench.report.rows import CaseRow, ComparisonRow, ScoreRow
from voxelbench.report.shown import latex, markdown

PUBLISHED = Path(__file__).resolve().parents[2] / paths.published_leaderboard()

CELL = {"dataset": "btcv", "task": "segmentation", "metric": "dice", "protocol": "finetune", "data": "real"}
CELL |= {"selection": "upstream", "split": "swin_unetr_24_6", "fold": "0", "space": "grid"}


def claim(method, value, **changes):
    facts = CELL | {"budget": "published", "source": "paper", "table": "1", "certainty": "read", "value": value}
    baseline = "" if method == "scratch" else "scratch"
    return LeaderboardRow.model_validate(facts | {"method": method, "baseline": baseline} | changes)


def ours(method, value, low, high, **changes):
    facts = CELL | {"budget": "full", "source": "voxelbench", "certainty": "measured", "n_cases": 6, "n_patients": 6}
    variant = "" if method == "scratch" else "code"
    facts |= {"method": method, "variant": variant, "encoder": "swin", "n_seeds": 1, "contamination": "clean"}
    return LeaderboardRow.model_validate(facts | {"value": value, "low": low, "high": high} | changes)


def gain(value, low, high, **changes):
    return ours("s2dc", value, low, high, statistic="gain", baseline="scratch", **changes)


CLAIMS = (claim("scratch", 82.0), claim("s2dc", 84.0))


def verdicts(claims, rows, absent=()):
    return delta(claims, Measured(tuple(rows), tuple(absent)))


def of_s2dc(frame):
    (row,) = frame[frame["method"] == "s2dc"].to_dict("records")
    return row


def test_a_value_and_its_gain_are_judged_each_by_its_own_interval():
    frame = verdicts(CLAIMS, [ours("scratch", 82.1, 81.0, 83.0), ours("s2dc", 84.2, 81.0, 86.0), gain(1.9, 1.0, 3.0)])
    row = of_s2dc(frame)
    assert (row["verdict"], row["gain_verdict"]) == ("not separable", "reproduced")
    assert row["delta"] == pytest.approx(0.2) and row["published_gain"] == 2 and row["gain"] == 1.9
    assert (row["n_cases"], row["n_patients"], row["n_seeds"]) == (6, 6, 1)
    scratch = frame[frame["method"] == "scratch"].iloc[0]
    assert scratch["verdict"] == "within interval" and pd.isna(scratch["published_gain"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": "demo"}, "budget demo is not the published protocol"),
        ({"data": "phantom"}, "measured on synthetic twins"),
        ({"selection": "harness"}, "weights selected harness, published upstream"),
        ({"split": "other"}, "split other, published swin_unetr_24_6"),
        ({"fold": "0+1"}, "fold 0+1, published 0"),
        ({"space": "native"}, "scored in space native, published grid"),
        ({"protocol": "token_probe"}, "training token_probe, published finetune"),
        ({"contamination": "overlap (2 cases)"}, "test cases lie in the corpus"),
        ({"bounds": (None, None)}, "ours has no interval"),
    ],
)
def test_what_differs_is_named_and_nothing_is_judged(changes, said):
    low, high = changes.get("bounds", (83.5, 84.5))
    differing = {name: value for name, value in changes.items() if name != "bounds"}
    row = of_s2dc(verdicts(CLAIMS, [ours("s2dc", 84.0, low, high, **differing), gain(2, 1, 3, **differing)]))
    assert (row["verdict"], row["reason"]) == ("not comparable", said)
    assert row["value"] == 84 and row["gain_verdict"] == "not comparable"
    assert row["delta"] == 0 or (row["data"] == "phantom" and pd.isna(row["delta"]))


def test_all_differences_are_named_at_once():
    row = of_s2dc(verdicts(CLAIMS, [ours("s2dc", 84.0, 83.5, 84.5, budget="demo", data="phantom", split="x")]))
    assert row["reason"].count(";") == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": ""}, "its split is not published"),
        ({"selection": ""}, "its selection is not published"),
        ({"certainty": "approximate", "note": "about"}, "the source says only about how much"),
    ],
)
def test_a_source_that_does_not_say_enough_is_not_compared(changes, said):
    row = of_s2dc(verdicts([claim("s2dc", 84.0, **changes)], [ours("s2dc", 84.0, 83.5, 84.5)]))
    assert (row["verdict"], row["reason"]) == ("not comparable", said)


def test_an_average_of_unknown_composition_is_not_comparable():
    average = claim("s2dc", 81.43, dataset="average", task="", metric="average", split="", selection="")
    row = of_s2dc(verdicts([average], []))
    assert row["verdict"] == "not comparable" and "enter the average is not published" in row["reason"]


def test_a_gain_over_a_method_that_is_not_named_is_not_comparable():
    row = of_s2dc(verdicts([claim("s2dc", 1.77, statistic="gain", baseline="best_other")], [gain(2, 1, 3)]))
    assert (row["verdict"], row["reason"]) == (
        "not comparable",
        "the source does not name the method that it is a gain over",
    )


def test_a_published_gain_over_scratch_is_judged_by_ours():
    row = of_s2dc(verdicts([claim("s2dc", 2.0, statistic="gain")], [ours("s2dc", 84, 83, 85), gain(1.8, 0.5, 3.1)]))
    assert (row["value"], row["verdict"]) == (1.8, "reproduced")


def test_of_two_spaces_and_selections_the_one_counts_that_was_published():
    rows = [
        ours("s2dc", 80.0 + 2 * index, 79.0, 90.0, selection=selection, space=space)
        for index, (selection, space) in enumerate(
            [("harness", "native"), ("harness", "grid"), ("upstream", "grid"), ("upstream", "native")]
        )
    ]
    assert of_s2dc(verdicts(CLAIMS, rows))["value"] == 84
    assert of_s2dc(verdicts(CLAIMS, reversed(rows)))["value"] == 84


def test_each_variant_of_a_method_has_a_row():
    rows = [ours("s2dc", 84.0, 83.5, 84.5, variant=variant) for variant in ("paper", "code")]
    frame = verdicts(CLAIMS, rows)
    assert list(frame.loc[frame["method"] == "s2dc", "variant"]) == ["code", "paper"]


def test_what_is_not_run_says_why():
    gated = Absent("s2dc", "code", "", "btcv", "segmentation", 1.0, "gated: btcv needs registration")
    claims = [
        claim("s2dc", 84.0),
        claim("voco", 83.0),
        claim("s2dc", 90.0, dataset="acdc"),
        claim("s2dc", 5, metric="hd95"),
    ]
    frame = verdicts(claims, [ours("voco", 80, 79, 81, dataset="brats21")], [gated])
    said = dict(zip(frame["dataset"] + " " + frame["method"] + " " + frame["metric"], frame["reason"], strict=True))
    assert set(frame["verdict"]) == {"not run"}
    assert said["btcv s2dc dice"] == "gated: btcv needs registration"
    assert said["btcv voco dice"] == "no table has voco on btcv"
    assert said["acdc s2dc dice"] == "no table has the dataset acdc"


def test_a_claim_over_another_row_than_scratch_is_judged_by_that_row_and_has_no_gain():
    claims = [claim("s2dc", 83.4, ablation="g", baseline=""), claim("s2dc", 84.1, baseline="s2dc.g")]
    frame = verdicts(claims, [ours("s2dc", 84.0, 83.0, 85.0), gain(1, 0, 2)])
    row = frame[frame["ablation"] == ""].iloc[0]
    assert (row["published_baseline"], row["verdict"]) == (83.4, "not separable")
    assert pd.isna(row["gain"]) and pd.isna(row["published_gain"])


def test_the_baseline_of_another_source_is_not_taken():
    claims = [claim("scratch", 82.0, source="other"), claim("s2dc", 84.0)]
    assert of_s2dc(verdicts(claims, [ours("s2dc", 84.0, 83.5, 84.5)]))["verdict"] == "within interval"


@settings(max_examples=20)
@given(st.permutations(range(6)))
def test_the_order_of_rows_changes_nothing(order):
    rows = [ours("scratch", 82, 81, 83), ours("s2dc", 84, 83, 85), gain(2, 1, 3), ours("voco", 80, 79, 81)]
    rows += [ours("s2dc", 84, 83, 85, variant="paper"), ours("s2dc", 83, 82, 84, space="native")]
    shuffled = [rows[index] for index in order]
    expected = verdicts(CLAIMS, rows)
    pd.testing.assert_frame_equal(verdicts(CLAIMS[::-1], shuffled), expected)
    assert list(expected.columns) == list(COLUMNS)


def test_the_rendering_has_every_claim_and_its_verdict():
    frame = verdicts(CLAIMS, [ours("s2dc", 84.2, 83.0, 85.0)]).assign(fraction="1").map(str)
    shown = view_delta(frame.replace({"nan": "", "<NA>": "", "None": ""}))
    assert "**reproduced: 83.00 to 85.00 holds 84.00 and not 82.00**" in markdown(shown)
    assert r"\textbf{reproduced" in latex(shown, "tab:delta") and "not run: no table has scratch" in markdown(shown)


RUN = {"budget": "full", "data": "real", "column": "organs", "corpus": "ct_1k", "method": "s2dc", "variant": "code"}
RUN |= {"ablation": "", "encoder": "swin", "track": "common", "dataset": "btcv", "task": "segmentation"}
RUN |= {"selection": "harness", "protocol": "finetune", "fraction": 1.0, "stem": "", "split": "swin_unetr_24_6"}


def tidy(rows, model):
    return pd.DataFrame(rows, columns=model.columns())


def score(metric, space, value, fold=0, **changes):
    row = RUN | {"fold": fold, "seed": 0, "metric": metric, "space": space, "value": value, "n_cases": 2}
    return row | {"contamination": "clean", "status": "ok", "reason": "", "spec_sha256": f"{fold}" * 64} | changes


CASES = [
    RUN
    | {"fold": fold, "seed": 0, "metric": "dice", "space": "native", "case_id": f"c{fold}", "patient_id": f"p{fold}"}
    for fold in (0, 1)
]
COMPARED = RUN | {
    "metric": "dice",
    "n_cases": 2,
    "n_patients": 2,
    "n_seeds": 1,
    "value": 84.0,
    "low": 80.0,
    "high": 88.0,
}
COMPARED |= {"scratch_difference": 1.5, "scratch_low": -1.0, "scratch_high": 4.0}


def rows_of(scores, compared=COMPARED):
    return measured(tidy(scores, ScoreRow), tidy(CASES, CaseRow), tidy([compared], ComparisonRow))


def test_a_cell_is_exported_as_its_table_shows_it_with_its_gain_and_every_other_metric():
    scores = [score("dice", "native", 0.83), score("dice", "native", 0.85, fold=1), score("dice:liver", "grid", 0.9)]
    scores += [score("hd95", "native", 4.0), score("hd95", "native", 8.0, fold=1, n_cases=6)]
    found = {(row.metric, row.item, row.space, row.statistic): row for row in rows_of(scores).rows}
    shown = found["dice", "all", "native", "mean"]
    assert (shown.value, shown.low, shown.high, shown.fold) == (84, 80, 88, "0+1")
    assert shown.spec_sha256s == f"{'0' * 64} {'1' * 64}"
    of_gain = found["dice", "all", "native", "gain"]
    assert (of_gain.value, of_gain.low, of_gain.baseline) == (1.5, -1, "scratch")
    distance = found["hd95", "all", "native", "mean"]
    assert (distance.value, distance.n_cases, distance.low) == (7, 8, None)
    assert found["dice", "liver", "grid", "mean"].value == 90
    assert len(found) == 4


def test_a_cell_with_a_run_missing_is_absent_with_the_reason():
    scores = [score("dice", "native", 0.83), score(None, None, None, fold=1, status="failed", reason="failed: nan")]
    found = rows_of(scores)
    assert found.rows == () and [each.reason for each in found.absent] == ["failed: nan"]


@pytest.fixture
def files(checkout):
    """Return a checkout whose two tables, in budget full, show the same runs of scratch and S2DC on two patients."""
    file = checkout / "config" / "budgets" / "full.yaml"
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(content | {"leaderboard": ["table1", "ablation"]}))
    write_text(paths.published_leaderboard(), PUBLISHED.read_text(encoding="utf-8"))
    cases = [
        RUN
        | {"method": method, "variant": variant, "corpus": corpus, "fold": 0, "seed": 0, "metric": "dice"}
        | {"space": "native", "case_id": name, "patient_id": name, "value": value, "spec_sha256": "0" * 64}
        for method, variant, corpus, values in (
            ("scratch", "", "none", (0.8, 0.9)),
            ("s2dc", "code", "ct_1k", (0.82, 0.91)),
        )
        for name, value in zip("ab", values, strict=True)
    ]
    scores = [
        score("dice", "native", 0.85, seen="none", **{name: row[name] for name in ("method", "variant", "corpus")})
        for row in cases[::2]
    ]
    frames = tidy(scores, ScoreRow), tidy(cases, CaseRow)
    compared = comparisons(frames[1])
    for table in ("table1", "ablation"):
        targets = (paths.scores, paths.case_scores, paths.comparisons)
        for of_table, frame in zip(targets, (*frames, compared), strict=True):
            write_text(of_table("full", table), frame.to_csv(index=False))
    return checkout


def test_what_two_tables_show_of_the_same_runs_is_exported_once_and_a_demo_does_not_replace_it(files):
    export_leaderboard("full", force=False)
    path = paths.own_leaderboard(__version__)
    once = path.read_bytes()
    assert [(row.method, row.statistic, row.value) for row in read_leaderboard(path)] == [
        ("s2dc", "gain", 1.5),
        ("s2dc", "mean", 86.5),
        ("scratch", "mean", 85.0),
    ]
    export_leaderboard("full", force=False)
    assert path.read_bytes() == once
    with pytest.raises(ConfigError, match="holds the full budget, this run has the demo budget"):
        export_leaderboard("demo", force=False)


def test_the_comparison_is_written_with_a_row_for_each_published_value(files):
    write_delta("full")
    written = pd.read_csv(paths.delta("full"), keep_default_na=False)
    published = read_leaderboard(paths.published_leaderboard())
    assert len(written) == len(published) and list(written.columns) == list(COLUMNS)
    (ours_of_s2dc,) = written[(written["budget"] == "full") & (written["published"] == 84.14)].to_dict("records")
    assert ours_of_s2dc["verdict"] == "not comparable" and ours_of_s2dc["delta"] == "2.36"
    assert "weights selected harness, published upstream" in ours_of_s2dc["reason"]
    assert all(paths.delta("full").with_suffix(suffix).is_file() for suffix in (".md", ".tex"))


def planned(table):
    """Return what a table of the full budget would measure, a row a run, all values 50."""
    for _, run in table_runs(table, "full"):
        method, task = run.pretrain.method, task_card(run.dataset, run.task)
        facts = {"dataset": run.dataset, "task": run.task, "split": task.split, "fraction": run.fraction}
        facts |= {"selection": run.selection, "protocol": run.protocol, "metric": HEADLINE[task.kind], "fold": "0"}
        facts |= {"space": "grid", "encoder": run.pretrain.encoder, "ablation": method.ablation}
        yield ours(method.name, 50.0, 45.0, 55.0, **facts)


@pytest.mark.parametrize(("table", "number"), [("Table 1", 12), ("Table 2", 4)])
def test_the_full_budget_plans_what_the_posters_tables_can_be_compared_with(checkout, table, number):
    published = read_leaderboard(PUBLISHED)
    rows = {row.key: row for name in ("upstream", "upstream_fractions") for row in planned(name)}
    frame = delta(published, Measured(tuple(rows.values()), ()))
    poster = frame[(frame["source"] == "S2DC poster") & (frame["table"] == table) & (frame["dataset"] != "autopet")]
    assert len(poster) == number and (poster["verdict"] == "not reproduced").all()
