"""From the scores of cases to comparisons and ranks: planted truths come out, and what is missing is said."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelbench import paths
from voxelbench.errors import DataError
from voxelbench.report.comparisons import comparisons
from voxelbench.report.ranks import ranks
from voxelbench.report.rows import ComparisonRow, RankRow
from voxelbench.report.schema import check

PLANTED = {"scratch": 0.0, "weak": 0.0, "good": 0.06, "twin": 0.06, "best": 0.15}
"""What each system has more than scratch."""


def case_rows(column="btcv", effects=None, n_patients=20, seeds=(0, 1), metric="dice", encoder="swin", noise=0.02):
    """Return scores of cases: patients differ much, systems by their effects, runs by some noise."""
    effects = PLANTED if effects is None else effects
    rng = np.random.RandomState(sum(map(ord, column)))
    patients = rng.uniform(0.3, 0.7, n_patients)
    rows = [
        {"method": method, "seed": seed, "case_id": f"c{i:02}", "patient_id": f"p{i:02}", "value": patients[i] + effect}
        for method, effect in effects.items()
        for seed in seeds
        for i in range(n_patients)
    ]
    frame = pd.DataFrame(rows).assign(budget="demo", data="phantom", column=column, dataset=column, metric=metric)
    frame["variant"] = np.where(frame["method"] == "scratch", "", "code")
    frame["value"] += rng.normal(0, noise, len(frame))
    return frame.assign(ablation="", encoder=encoder, fold=0)


def compared(rows):
    """Return the comparisons by method, of one column; every row passes the check of the file."""
    found = comparisons(rows)
    check(found, ComparisonRow, paths.comparisons("demo", "table1"))
    return found.set_index("method")


def test_planted_effects_have_their_size_their_sign_and_their_groups():
    found = compared(case_rows())
    assert found["group"].to_dict() == {"best": 1, "good": 2, "twin": 2, "scratch": 3, "weak": 3}
    for method in ("weak", "good", "twin", "best"):
        row = found.loc[method]
        assert row["scratch_low"] <= row["scratch_difference"] <= row["scratch_high"]
        assert row["scratch_difference"] == pytest.approx(100 * PLANTED[method], abs=1.5)
        assert (row["scratch_p_holm"] <= 0.05) == (PLANTED[method] > 0)
    assert found.loc["scratch", "best_difference"] == -found.loc["best", "scratch_difference"]
    assert found.loc["scratch", ["scratch_difference", "scratch_p", "detectable"]].isna().all()
    assert found.loc["best", ["best_difference", "best_p_holm"]].isna().all()


def test_a_cell_is_the_mean_over_cases_of_their_means_over_seeds():
    rows = case_rows(n_patients=3, effects={"scratch": 0}, noise=0)
    rows["value"] = [0.1, 0.2, 0.6, 0.3, 0.4, 0.8]
    rows["patient_id"] = ["a", "a", "b"] * 2
    row = compared(rows).loc["scratch"]
    assert row["value"] == pytest.approx(40)
    assert (row["n_cases"], row["n_patients"], row["n_seeds"]) == (3, 2, 2)


def test_a_small_test_set_says_so_and_what_it_could_show():
    found = compared(case_rows()).loc["good"]
    assert found["is_small"] and found["notes"] == "20 patients: an interval from fewer than 50 is too narrow"
    large = compared(case_rows(n_patients=60)).loc["good"]
    assert not large["is_small"] and not large["notes"]
    assert 0 < large["detectable"] < found["detectable"] < 100 * PLANTED["good"]


def test_where_nothing_could_be_separated_the_note_is_loud():
    found = compared(case_rows(n_patients=6, effects=PLANTED | {"other": 0.3}, seeds=(0,)))
    assert set(found["group"]) == {1} and found["detectable"].isna().all()
    for method in ("good", "best"):
        assert "6 patients cannot separate it from scratch, whatever the result" in found.loc[method, "notes"]
    assert "0.0312, and a family of 5 demands 0.0100" in found.loc["good", "notes"]
    assert "cannot separate it from the best" in found.loc["scratch", "notes"]
    assert "too narrow" in found.loc["best", "notes"] and "one seed" in found.loc["best", "notes"]


def test_one_patient_has_no_interval_and_no_group_of_its_own():
    found = compared(case_rows(n_patients=1))
    assert found[["low", "scratch_low", "best_high", "detectable"]].isna().all(axis=None)
    assert set(found["group"]) == {1} and found["notes"].str.contains("one patient, so no interval").all()


def test_equal_scores_have_a_point_and_a_p_of_one():
    rows = case_rows(effects={"scratch": 0, "same": 0}, noise=0).assign(value=1.0, metric="accuracy")
    row = compared(rows).loc["same"]
    assert (row["low"], row["high"], row["scratch_p"], row["group"]) == (100, 100, 1, 1)
    assert "the interval is a point, which is no certainty" in row["notes"]


def test_a_single_system_is_compared_with_nothing():
    row = compared(case_rows(effects={"best": 0.1})).loc["best"]
    assert row["group"] == 1 and np.isnan(row["best_p"]) and np.isnan(row["scratch_p"])
    assert "no scratch in swin to compare with" in row["notes"]


def test_on_the_native_track_each_encoder_has_its_scratch():
    unet = case_rows(effects={"scratch": 0.2, "gvsl": 0.25}, encoder="unet")
    found = comparisons(pd.concat([case_rows(), unet])).set_index(["method", "encoder"])
    assert found.loc[("gvsl", "unet"), "scratch_difference"] == pytest.approx(5, abs=1.5)
    assert found.loc[("best", "swin"), "scratch_difference"] == pytest.approx(15, abs=1.5)
    assert np.isnan(found.loc[("scratch", "unet"), "scratch_difference"])


def test_systems_are_compared_on_the_patients_that_both_have():
    rows = case_rows()
    left = rows[~((rows["method"] == "good") & (rows["case_id"] < "c04"))]
    row = compared(left).loc["good"]
    assert row["n_cases"] == 16 and "4 of 20 cases have no value and are left out" in row["notes"]
    both = rows[rows["case_id"] >= "c04"]
    assert row["scratch_difference"] == pytest.approx(compared(both).loc["good", "scratch_difference"])


def test_a_value_that_one_seed_lacks_is_filled_by_the_others_and_noted():
    rows = case_rows()
    at = rows.index[(rows["method"] == "good") & (rows["case_id"] == "c03")]
    rows.loc[at[0], "value"] = np.nan
    row = compared(rows).loc["good"]
    assert row["n_cases"] == 20 and "1 values of single seeds are missing" in row["notes"]
    equal = rows.assign(value=rows["value"].fillna(rows.loc[at[1], "value"]))
    assert row["value"] == pytest.approx(compared(equal).loc["good", "value"])


def test_a_system_without_any_value_has_a_row_that_says_so():
    rows = case_rows()
    rows.loc[rows["method"] == "good", "value"] = np.nan
    row = compared(rows).loc["good"]
    assert np.isnan(row["value"]) and pd.isna(row["group"]) and row["notes"] == "no case has a value"


def test_systems_without_a_seed_in_common_are_not_compared():
    rows = pd.concat([case_rows(effects={"scratch": 0}), case_rows(effects={"late": 0.2}, seeds=(7, 8))])
    row = compared(rows).loc["late"]
    assert np.isnan(row["scratch_p"]) and row["group"] == 1
    assert "no case and seed in common with scratch" in row["notes"]


@settings(max_examples=8)
@given(st.randoms(use_true_random=False), st.sampled_from([(0,), (0, 1)]))
def test_the_order_of_rows_does_not_matter(random, seeds):
    rows = case_rows(n_patients=7, seeds=seeds, effects={"scratch": 0, "good": 0.05, "best": 0.3})
    rows.loc[random.randrange(len(rows)), "value"] = np.nan
    order = list(range(len(rows)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(comparisons(rows.iloc[order]), comparisons(rows))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: pd.concat([rows, rows[:1]]), "1 rows are there twice.*column btcv, method scratch.*case_id c00"),
        (lambda rows: rows.assign(metric=["nsd"] + ["dice"] * (len(rows) - 1)), "btcv has metric dice and nsd"),
        (lambda rows: rows.assign(patient_id=["x", *rows["patient_id"][1:]]), "case_id c00 has patient_id p00 and x"),
    ],
)
def test_scores_that_contradict_each_other_are_refused(spoil, said):
    with pytest.raises(DataError, match=said):
        comparisons(spoil(case_rows(n_patients=3)))


def ranked(*columns):
    rows = pd.concat(columns)
    found = ranks(rows, comparisons(rows))
    check(found, RankRow, paths.ranks("demo", "table1"))
    return found.set_index("method")


COLUMNS = [
    case_rows(name, n_patients=8, seeds=(0,)) for name in ("adni", "autopet", "brats21", "btcv", "udpet", "lung")
]


def test_ranks_find_the_planted_order_across_datasets():
    found = ranked(*COLUMNS)
    assert found.index[0] == "best" and found.loc["best", "mean_rank"] == 1 and (found["n_datasets"] == 6).all()
    assert set(found.index[-2:]) == {"scratch", "weak"} and (found["friedman_p"] < 0.001).all()
    assert not set(found.loc["best", "group"]) & set(found.loc["weak", "group"])
    assert set(found.loc["good", "group"]) & set(found.loc["twin", "group"])


def test_a_dataset_that_a_system_lacks_is_left_out_of_the_ranks_and_named():
    lacking = COLUMNS[0][COLUMNS[0]["method"] != "good"]
    found = ranked(lacking, *COLUMNS[1:])
    assert (found["n_datasets"] == 5).all() and (found["notes"] == "adni left out: not every system has a value").all()


def test_columns_of_one_dataset_count_once():
    shares = [column.assign(dataset="cc_ccii") for column in COLUMNS[:3]]
    assert (ranked(*shares, *COLUMNS[3:])["n_datasets"] == 4).all()


def test_too_few_datasets_or_systems_get_no_ranks_but_a_reason():
    one = ranked(COLUMNS[0])
    assert one["mean_rank"].isna().all() and set(one["notes"]) == {"no ranks: they need 2 datasets, there is 1"}
    pair = [column[column["method"].isin(["scratch", "best"])] for column in COLUMNS]
    assert set(ranked(*pair)["notes"]) == {"no ranks: they need 3 systems, there are 2"}
    assert set(ranked(*pair)["group"]) == {""}


def test_a_table_without_any_score_has_no_comparisons_and_no_ranks():
    nothing = COLUMNS[0][:0]
    assert comparisons(nothing).empty and ranks(nothing, comparisons(nothing)).empty
