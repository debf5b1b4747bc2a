"""From the rows of runs to a table: means, intervals, pooled folds, and a reason for every empty cell."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from voxelbench import config, expand, paths
from voxelbench.atomic import write_text
from voxelbench.cards import TaskKind
from voxelbench.contamination.record import CaseVerdict, Report, write_report
from voxelbench.errors import ConfigError, DataError
from voxelbench.evaluate.rows import Row, write_rows
from voxelbench.evaluate.summary import case_values, headline_space, run_metrics
from voxelbench.report.cells import leaks
from voxelbench.report.compare import write_comparisons
from voxelbench.report.place import check_replace, place
from voxelbench.report.scores import write_scores
from voxelbench.report.show import show
from voxelbench.report.table_view import NOTE_SEPARATOR
from voxelbench.report.tables import write_table
from voxelbench.resolve import pretrain_spec, spec_yaml
from voxelbench.runs import NO_CORPUS

COLUMNS = ["case_id", "patient_id", "class", "metric", "value"]


def frame(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def test_a_case_is_the_mean_over_its_classes_and_a_class_the_mean_over_its_cases():
    rows = frame(
        ("a", "pa", "liver", "dice", 0.2), ("a", "pa", "spleen", "dice", 0.6), ("b", "pb", "liver", "dice", 0.8)
    )
    values = case_values(TaskKind.segmentation, rows)
    assert values["dice"].to_dict() == pytest.approx({"a": 0.4, "b": 0.8})
    assert values["patient_id"].to_dict() == {"a": "pa", "b": "pb"}
    assert run_metrics(TaskKind.segmentation, rows) == pytest.approx({"dice:liver": 0.5, "dice:spleen": 0.6})


def classified(*cases):
    rows = []
    for number, (truth, *probabilities) in enumerate(cases):
        for index, probability in enumerate(probabilities):
            name = f"class{index}"
            rows.append((f"c{number}", f"p{number}", name, "probability", probability))
            rows.append((f"c{number}", f"p{number}", name, "is_true", float(index == truth)))
    return frame(*rows)


def test_accuracy_balanced_accuracy_and_auc():
    rows = classified((0, 0.9, 0.1), (0, 0.6, 0.4), (0, 0.3, 0.7), (1, 0.55, 0.45))
    assert case_values(TaskKind.classification, rows)["accuracy"].tolist() == [1, 1, 0, 0]
    metrics = run_metrics(TaskKind.classification, rows)
    calibration = ((1 - 0.9) + abs(1 - 0.6 - 0.55) + 0.7) / 4  # 0.6 and 0.55 share a bin
    expected = {"balanced_accuracy": (2 / 3 + 0) / 2, "auc": 2 / 3, "ece": calibration, "absent_classes": 0}
    assert metrics == pytest.approx(expected)


def test_auc_of_three_classes_is_their_mean_one_against_the_rest():
    rows = classified((0, 0.8, 0.1, 0.1), (1, 0.2, 0.5, 0.3), (2, 0.3, 0.55, 0.15), (2, 0.1, 0.1, 0.8))
    assert run_metrics(TaskKind.classification, rows)["auc"] == pytest.approx((1.0 + 2 / 3 + 3 / 4) / 3)


def test_without_every_class_there_is_no_auc():
    assert "auc" not in run_metrics(TaskKind.classification, classified((0, 0.9, 0.1), (0, 0.4, 0.6)))


@pytest.fixture
def tables(checkout):
    """Return a checkout with one small table: two datasets, scratch and s2dc, two seeds."""
    file = checkout / "config" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    content["methods"], content["seeds"] = ["scratch", "s2dc.code"], [0, 1]
    content["site"] = {"tables": ["small"]}
    content["tables"] = {
        "small": {
            "title": "Small",
            "average": True,
            "columns": [
                {"name": "organs", "dataset": "ct_samples", "task": "organs", "folds": [0, 1], "corpus": "samples"},
                {"name": "spleen", "dataset": "msd_spleen", "task": "segmentation"},
            ],
        }
    }
    file.write_text(yaml.safe_dump(content))
    return checkout


def fake_run(run, values):
    """Write the scores of a run: one case a value, two patients at least."""
    rows = [
        Row(f"f{run.fold}c{number}", f"f{run.fold}p{number}", "organ", "dice", value, 9, "grid")
        for number, value in enumerate(values)
    ]
    write_rows(run.folder() / paths.CASES, rows)


def all_runs():
    return [run for _, run in expand.table_runs("small", "demo")]


def read_table():
    return pd.read_csv(paths.table("demo", "small"), keep_default_na=True).set_index("method")


def test_cells_pool_folds_and_average_seeds(tables):
    for run in all_runs():
        fake_run(run, [0.2 + 0.2 * run.pretrain.seed, 0.6 + 0.1 * run.fold])
    write_scores("small", "demo")
    write_comparisons("small", "demo")
    write_table("small", "demo", allow_missing=False)
    table = read_table()
    assert list(table.index) == ["scratch", "s2dc"]
    assert table["organs"].tolist() == [47.5, 47.5] and table["organs_n"].tolist() == [4, 4]
    assert table["spleen"].tolist() == [45.0, 45.0] and table["n_seeds"].tolist() == [2, 2]
    assert table["average"].tolist() == [46.25, 46.25] and table["n_datasets"].tolist() == [2, 2]
    assert (table["organs_low"] < 47.5).all() and (table["organs_high"] > 47.5).all()


@pytest.mark.parametrize(
    ("low", "variant", "n_classes", "warns"),
    [(34, "shuffled", 3, True), (33, "shuffled", 3, False), (90, "", 3, False), (90, "shuffled", 0, False)],
)
def test_shuffled_labels_that_beat_a_guess_are_told(low, variant, n_classes, warns):
    said = leaks({"": 95.0, "_low": low, "_high": 99.0, "_n": 12}, variant, n_classes)
    assert [text.startswith("shuffled labels score above a guess, 33.3") for text in said] == [True] * warns
    assert leaks({"": np.nan, "_low": np.nan, "_high": np.nan, "_n": 0}, variant, n_classes) == []


def test_a_cell_of_one_patient_has_no_interval_and_a_note_says_why(tables):
    for run in all_runs():
        fake_run(run, [0.4] if run.dataset == "msd_spleen" else [0.2, 0.6])
    write_scores("small", "demo")
    write_comparisons("small", "demo")
    write_table("small", "demo", allow_missing=False)
    row = read_table().loc["scratch"]
    assert row["spleen"] == 40.0 and row["spleen_n"] == 1 and np.isnan([row["spleen_low"], row["spleen_high"]]).all()
    assert "spleen: one patient, so no interval" in row["notes"].split(NOTE_SEPARATOR)
    assert "organs: one patient" not in row["notes"] and row["organs_low"] < row["organs_high"]


def test_tables_and_scores_are_equal_bytes_when_made_again(tables):
    for run in all_runs():
        fake_run(run, [0.2, 0.6])
    made = []
    for _ in range(2):
        write_scores("small", "demo")
        write_comparisons("small", "demo")
        write_table("small", "demo", allow_missing=False)
        made_by = (paths.scores, paths.case_scores, paths.comparisons, paths.ranks, paths.table)
        files = [path("demo", "small") for path in made_by]
        files += [files[-1].with_suffix(suffix) for suffix in (".md", ".tex")]
        made.append([file.read_bytes() for file in files])
    assert made[0] == made[1]


def test_a_run_without_scores_stops_the_table_unless_asked(tables):
    write_scores("small", "demo")
    with pytest.raises(DataError) as caught:
        write_table("small", "demo", allow_missing=False)
    assert str(caught.value) == (
        "small: 12 runs have no scores; the first is s2dc on organs, seed 0, fold 0 (not run)."
    )


def test_failed_and_missing_cells_are_empty_with_their_reason_and_so_is_the_average(tables):
    for run in all_runs():
        if run.pretrain.corpus == NO_CORPUS:
            fake_run(run, [0.2, 0.6])
    failed = next(run for run in all_runs() if run.pretrain.corpus == "samples")
    failure = failed.pretrain.folder() / paths.FAILED
    failure.parent.mkdir(parents=True)
    failure.write_text(json.dumps({"error": "TrainingError", "reason": "total loss is nan at step 3."}))
    write_table("small", "demo", allow_missing=True)
    table = read_table()
    row = table.loc["s2dc"]
    assert np.isnan(row["organs"]) and row["organs_n"] == 0 and np.isnan(row["average"]) and row["n_datasets"] == 0
    assert "organs: failed: total loss is nan at step 3." in row["notes"]
    assert "spleen: not run" in row["notes"]
    assert table.loc["scratch", "average"] == 40.0

    scores = pd.read_csv(paths.scores("demo", "small"))
    assert set(scores["status"]) == {"ok", "failed", "missing"}
    assert scores.loc[scores["status"] == "failed", "reason"].unique() == ["failed: total loss is nan at step 3."]
    assert scores.loc[scores["status"] != "ok", "value"].isna().all()


def gate_run(run, overlap, reason=""):
    """Write what a run's pretraining and the contamination gate leave: the spec, and a record on its four cases."""
    write_text(run.pretrain.folder() / paths.SPEC, spec_yaml(pretrain_spec(run.pretrain)))
    cases = tuple(
        CaseVerdict(f"f{run.fold}c{number}", "exact" if number in overlap else "clean", "a/b") for number in range(4)
    )
    write_report(run.contamination(), Report("demo", "ct", run.dataset, run.task, run.fold, 9, cases, reason))


def spleen_scores(overlap=(), gated=True):
    """Score four cases of msd_spleen and return the rows of dice, by method and seed; write the table too."""
    for run in all_runs():
        fake_run(run, [0.1, 0.2, 0.4, 0.9])
        if run.contamination() and gated:
            gate_run(run, overlap if run.dataset == "msd_spleen" else ())
    write_scores("small", "demo")
    write_comparisons("small", "demo")
    write_table("small", "demo", allow_missing=False)
    scores = pd.read_csv(paths.scores("demo", "small"))
    return scores[(scores["dataset"] == "msd_spleen") & (scores["metric"] == "dice")].set_index(["method", "seed"])


def test_scores_without_the_test_cases_of_the_corpus(tables):
    rows = spleen_scores(overlap=(0, 3))
    assert rows["value"].tolist() == [0.4] * 4 and rows["n_cases"].tolist() == [4] * 4
    for seed in (0, 1):
        seen, scratch = rows.loc[("s2dc", seed)], rows.loc[("scratch", seed)]
        assert (seen["contamination"], seen["value_clean"], seen["n_clean"]) == ("overlap (2 cases)", 0.3, 2)
        assert (scratch["contamination"], scratch["value_clean"], scratch["n_clean"]) == ("clean", 0.4, 4)
    notes = read_table()["notes"]
    assert "spleen: contamination overlap (2 cases)" in notes["s2dc"] and "organs: contam" not in notes["s2dc"]
    assert "contamination" not in str(notes["scratch"]) and (read_table()["spleen"] == 40.0).all()


def test_a_score_on_seen_cases_alone_has_no_clean_value(tables):
    row = spleen_scores(overlap=(0, 1, 2, 3)).loc[("s2dc", 0)]
    assert row["value"] == 0.4 and np.isnan(row["value_clean"]) and row["n_clean"] == 0


def test_unmatched_and_foreign_weights_are_unknown(tables):
    row = spleen_scores(gated=False).loc[("s2dc", 0)]
    assert (
        row["contamination"] == "unknown: not matched yet" and np.isnan(row["value_clean"]) and np.isnan(row["n_clean"])
    )
    assert "spleen: contamination unknown: not matched yet" in read_table()["notes"]["s2dc"]

    assert (spleen_scores()["contamination"] == "clean").all()
    for run in all_runs():
        (run.pretrain.folder() / paths.SPEC).unlink(missing_ok=True)
    write_table("small", "demo", allow_missing=True)
    assert "the weights are of no pretraining on ct by this harness" in read_table()["notes"]["s2dc"]


def test_gated_cells_say_what_is_needed(tables):
    file = tables / "config" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    content["tables"]["small"]["columns"].append({"name": "btcv", "dataset": "btcv", "task": "segmentation"})
    file.write_text(yaml.safe_dump(content))
    config.read_config.cache_clear()
    write_table("small", "full", allow_missing=True, controls=())
    for notes in pd.read_csv(paths.table("full", "small"))["notes"]:
        assert "btcv: gated: btcv needs registration (" in notes and "organs: not run" in notes


def test_another_budgets_table_is_never_replaced_unasked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    published = paths.placed("table1")
    published.parent.mkdir()
    published.write_text("method,budget\nscratch,full\n")
    with pytest.raises(ConfigError) as caught:
        check_replace(published, "demo", is_asked=False)
    assert str(caught.value) == (
        "results/table1.csv holds the full budget, this run has the demo budget. "
        "Look at results/demo/table1.csv instead, or replace it with `--config replace=true`."
    )
    check_replace(published, "demo", is_asked=True)
    check_replace(published, "full", is_asked=False)
    check_replace(paths.placed("other"), "demo", is_asked=False)


def test_a_published_table_is_shown_with_its_reasons_and_the_way_on(tables, capsys):
    for run in all_runs():
        if run.dataset != "msd_spleen":
            fake_run(run, [0.2, 0.6])
    write_table("small", "demo", allow_missing=True)
    place("small", "demo", force=False)
    show(paths.placed("small"))
    shown = capsys.readouterr().out
    assert "40.00" in shown and "n=4" in shown and "scratch" in shown
    assert "note: spleen: not run" in shown and "results/demo/scores_small.csv" in shown


def test_a_table_that_is_not_there_says_how_to_make_it(tmp_path):
    with pytest.raises(DataError) as caught:
        show(tmp_path / "table1.csv")
    assert str(caught.value) == f"{tmp_path}/table1.csv: no such table; make it with `make {tmp_path}/table1.csv`."


def test_a_cell_with_a_run_missing_takes_no_part_in_comparisons(tables):
    """The best of a column is not one whose cell the table leaves empty."""
    for run in all_runs():
        is_scratch = run.pretrain.corpus == NO_CORPUS
        if is_scratch or run.pretrain.seed == 0 or run.dataset != "msd_spleen":
            fake_run(run, [0.2, 0.6] if is_scratch else [0.3, 0.7])
    write_table("small", "demo", allow_missing=True)
    compared = pd.read_csv(paths.comparisons("demo", "small")).set_index(["column", "method"])
    assert compared.index.tolist() == [("organs", "s2dc"), ("organs", "scratch"), ("spleen", "scratch")]
    assert compared.loc[("organs", "s2dc"), "scratch_difference"] == pytest.approx(10)
    assert read_table()["spleen_group"].tolist()[0] == 1 and read_table()["spleen_n"].tolist() == [2, 0]


@pytest.mark.parametrize(("selection", "space"), [("harness", "native"), ("last", "native"), ("upstream", "grid")])
def test_tables_show_the_scanners_grid_unless_weights_are_selected_as_released(selection, space):
    assert headline_space(pd.DataFrame({"space": ["grid", "native"]}), selection) == space
    assert headline_space(pd.DataFrame({"space": ["tokens"]}), "last") == "tokens"
