"""The leaderboard's file: one schema, one truth about what was published, the same bytes whatever the order."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from voxelbench.errors import DataError
from voxelbench.leaderboard.file import leaderboard_text, read_leaderboard, write_leaderboard
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.leaderboard.schemas import json_schema
from voxelbench.report.schema import read_table

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "leaderboard" / "published.csv"


@pytest.fixture(scope="module")
def published():
    return read_leaderboard(PUBLISHED)


def test_the_published_values_are_committed_as_the_command_would_write_them(published):
    assert PUBLISHED.read_text(encoding="utf-8") == leaderboard_text(published)


def test_a_published_number_is_written_once(published):
    assert len({row.key for row in published}) == len(published)
    assert {row.budget for row in published} == {"published"}


def test_published_rows_are_valid_for_the_exported_schema(published):
    validator = Draft202012Validator(json_schema("leaderboard", LeaderboardRow))
    for row in published:
        validator.validate({name: cell for name, cell in row.model_dump().items() if cell not in ("", None)})


def test_the_averages_of_the_poster_differ_by_the_gains_that_it_prints(published):
    rows = [row for row in published if row.dataset == "average"]
    values = {row.method: row.value for row in rows if row.statistic == "mean"}
    gains = {row.baseline: row.value for row in rows if row.statistic == "gain"}
    assert gains == pytest.approx({name: values["s2dc"] - values[name] for name in ("scratch", "voco")}, abs=5e-3)


def test_the_order_of_the_ablation_says_that_it_is_inferred(published):
    rows = [row for row in published if row.source == "S2DC poster" and row.table == "Table 2"]
    assert [row.certainty for row in rows] == ["inferred"] * 8
    swapped = {(row.dataset, row.ablation) for row in rows if "rows 2 and 3 could be swapped" in row.note}
    assert swapped == {(dataset, ablation) for dataset in ("btcv", "autopet") for ablation in ("g_p2p", "g_p2s")}


def test_every_baseline_of_a_published_score_is_published_by_the_same_source(published):
    systems = {(row.source, row.dataset, row.metric, row.fraction, row.protocol, row.system) for row in published}
    missing = [
        row
        for row in published
        if row.statistic == "mean" and row.baseline
        if (row.source, row.dataset, row.metric, row.fraction, row.protocol, row.baseline) not in systems
    ]
    assert missing == []


def row(**changes):
    facts = {"method": "s2dc", "dataset": "btcv", "metric": "dice", "budget": "full", "value": 84.0}
    return LeaderboardRow.model_validate(facts | {"source": "voxelbench", "certainty": "measured"} | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": float("nan")}, "finite number"),
        ({"value": 100.5}, "dice lies in 0 to 100"),
        ({"low": 80.0, "high": 83.0}, "expected low <= value <= high"),
        ({"low": 80.0}, "expected low <= value <= high, found 80, 84, empty"),
        ({"statistic": "gain"}, "needs the baseline"),
        ({"certainty": "inferred"}, "need a note"),
        ({"n_cases": 0}, "greater than or equal to 1"),
        ({"fraction": 0}, "greater than 0"),
        ({"method": "S2DC"}, "should match pattern"),
        ({"note": "two\rlines"}, "should match pattern"),
        ({"source": "two\nlines"}, "should match pattern"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        row(**changes)


def test_a_gain_may_be_negative_and_a_peak_signal_to_noise_ratio_has_no_upper_end():
    assert row(statistic="gain", baseline="scratch", value=-3.0).value == -3
    assert row(metric="psnr", value=134.0).value == 134


ROWS = st.lists(
    st.builds(
        row,
        method=st.sampled_from(["s2dc", "voco", "scratch"]),
        dataset=st.sampled_from(["btcv", "autopet"]),
        metric=st.sampled_from(["dice", "hd95"]),
        value=st.integers(0, 10000).map(lambda hundredths: hundredths / 100),
        note=st.text('ab,"; ', max_size=4).map(str.strip),
    ),
    max_size=8,
    unique_by=lambda row: row.key,
)


@settings(max_examples=20)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_byte_and_reading_gives_them_back(tmp_path_factory, rows, random):
    shuffled = random.sample(rows, len(rows))
    assert leaderboard_text(shuffled) == leaderboard_text(rows)
    path = tmp_path_factory.mktemp("board") / "board.csv"
    write_leaderboard(path, shuffled)
    assert sorted(read_leaderboard(path), key=lambda row: row.key) == sorted(rows, key=lambda row: row.key)


def test_what_stands_twice_is_refused(tmp_path):
    path = tmp_path / "board.csv"
    write_leaderboard(path, [row(), row()])
    with pytest.raises(DataError, match="line 3 repeats line 2"):
        read_table(path, LeaderboardRow)
