"""The tidy CSVs: a right file is read with its types; a wrong one is refused in one sentence with line and column."""

import csv
import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from voxelbench import paths
from voxelbench.errors import DataError
from voxelbench.leaderboard.schemas import SCHEMAS, export_schemas, json_schema
from voxelbench.report.rows import CaseRow, ComparisonRow, CostRow, RankRow, ScoreRow
from voxelbench.report.schema import (
    check,
    dtypes,
    read_case_scores,
    read_scores,
    read_table,
)

ROOT = Path(__file__).resolve().parents[2]
SHA = "0" * 64

RUN = {"budget": "full", "data": "real", "column": "btcv", "corpus": "ct_1k", "method": "s2dc", "variant": "code"}
RUN |= {"encoder": "swin", "track": "common", "dataset": "btcv", "task": "segmentation", "selection": "harness"}
RUN |= {"protocol": "finetune", "fraction": "1", "split": "public", "fold": "0", "seed": "0", "spec_sha256": SHA}
CELL = {"budget": "full", "data": "real", "column": "btcv", "metric": "dice", "method": "s2dc", "encoder": "swin"}

VALID = {
    ScoreRow: [
        RUN
        | {"metric": "dice", "value": "0.8", "low": "0.7", "high": "0.9", "n_cases": "6", "space": "native"}
        | {"seen": "none", "contamination": "clean", "value_clean": "0.8", "n_clean": "6", "status": "ok"},
        RUN | {"seed": "1", "seen": "none", "contamination": "unknown: no", "status": "failed", "reason": "nan"},
    ],
    CaseRow: [
        RUN | {"metric": "dice", "space": "native", "case_id": name, "patient_id": "p", "value": "0.5"} for name in "ab"
    ],
    ComparisonRow: [
        CELL | {"n_cases": "6", "n_patients": "6", "n_seeds": "3", "value": "80", "group": "1", "is_small": "True"},
        CELL | {"method": "voco", "n_cases": "0", "n_patients": "0", "n_seeds": "3", "notes": "not run"},
    ],
    RankRow: [
        {"budget": "full", "data": "phantom+real", "method": name, "encoder": "swin", "mean_rank": "1.5", "group": "ab"}
        | {"n_datasets": "2"}
        for name in ("s2dc", "voco")
    ],
    CostRow: [
        {"budget": "full", "data": "real", "stage": "pretrain", "corpus": "ct", "method": "s2dc", "encoder": "swin"}
        | {"seed": seed, "hours": "1.5", "status": "ok"}
        for seed in "01"
    ],
}
EVERY_MODEL = pytest.mark.parametrize("model", VALID, ids=lambda model: model.__name__)


def write(path, model, rows, columns=None):
    """Write rows of texts; what a row does not name is empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        # All quoted: Python's writer leaves a carriage return bare, and then it ends the line.
        names = columns or model.columns()
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    return path


def refusal(path, model, rows, columns=None):
    """Return what is said of a wrong file, without its path."""
    with pytest.raises(DataError) as caught:
        read_table(write(path, model, rows, columns), model)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def changed(model, **cells):
    """Return the valid rows of a model, the first with other cells."""
    first, *others = VALID[model]
    return [first | cells, *others]


def test_scores_are_read_with_types_that_do_not_depend_on_the_cells(tmp_path):
    scores = read_scores(write(tmp_path / "scores.csv", ScoreRow, VALID[ScoreRow]))
    assert list(scores.columns) == ScoreRow.columns()
    assert scores["value"].dtype == np.float64 and scores["n_cases"].dtype == "Int64"
    assert scores["value"][0] == 0.8 and np.isnan(scores["value"][1]) and scores["n_clean"][1] is pd.NA
    assert scores["ablation"].tolist() == ["", ""] and scores["reason"].tolist() == ["", "nan"]
    nothing = read_scores(write(tmp_path / "scores.csv", ScoreRow, []))
    assert nothing.dtypes.equals(scores.dtypes) and nothing.empty


def test_cases_are_read(tmp_path):
    cases = read_case_scores(write(tmp_path / "cases.csv", CaseRow, VALID[CaseRow]))
    assert cases["case_id"].tolist() == ["a", "b"] and cases["value"].sum() == 1


@EVERY_MODEL
def test_what_is_read_passes_the_check_of_what_is_written(tmp_path, model):
    path = write(tmp_path / "some.csv", model, VALID[model])
    frame = read_table(path, model)
    check(frame, model, path)
    frame.to_csv(path, index=False, lineterminator="\n")
    pd.testing.assert_frame_equal(read_table(path, model), frame)


@EVERY_MODEL
def test_rows_and_columns_may_be_shuffled(tmp_path, model):
    path, columns = tmp_path / "some.csv", model.columns()
    expected = read_table(write(path, model, VALID[model]), model)
    shuffled = read_table(write(path, model, VALID[model][::-1], columns[::-1]), model)
    pd.testing.assert_frame_equal(shuffled[::-1].reset_index(drop=True), expected)


@EVERY_MODEL
def test_a_repeated_key_is_refused(tmp_path, model):
    rows = [*VALID[model], VALID[model][0]]
    assert refusal(tmp_path / "some.csv", model, rows).startswith("line 4 repeats line 2 (budget full, ")


@EVERY_MODEL
@pytest.mark.parametrize("cell", ["nan", "-inf", "1e999", "many"])
def test_a_number_is_finite(tmp_path, model, cell):
    numbers = [name for name, kind in dtypes(model).items() if kind in ("Int64", "float64")]
    for column in numbers:
        said = refusal(tmp_path / "some.csv", model, changed(model, **{column: cell}))
        assert said.startswith(f"line 2, column {column} is '{cell}': input should be ")


@EVERY_MODEL
def test_budget_data_and_what_names_a_row_are_never_empty(tmp_path, model):
    for column in ("budget", "data", "method", "encoder"):
        said = refusal(tmp_path / "some.csv", model, changed(model, **{column: ""}))
        assert said == f"line 2, column {column} is empty, and may not be."


@EVERY_MODEL
def test_a_missing_and_an_unknown_column_are_named(tmp_path, model):
    path, columns = tmp_path / "some.csv", model.columns()
    without = [{name: cell for name, cell in row.items() if name != "budget"} for row in VALID[model]]
    said = refusal(path, model, without, columns[1:])
    assert said == f"column 'budget' is missing; make the file again with `{model.MADE_BY}`."
    assert "unknown column 'budgett'. Did you mean 'budget'?" in refusal(
        path, model, VALID[model], [*columns, "budgett"]
    )
    assert refusal(path, model, [], [*columns, "data"]) == "column 'data' is there 2 times; keep one."


@pytest.mark.parametrize(
    ("model", "cells", "said"),
    [
        (ScoreRow, {"value": ""}, "status ok needs metric, value, n_cases and space, and no reason"),
        (ScoreRow, {"reason": "because"}, "status ok needs metric, value, n_cases and space, and no reason"),
        (ScoreRow, {"status": "gated"}, "status gated needs a reason, and no metric, value, n_cases or space"),
        (ScoreRow, {"low": "0.85"}, "expected low <= value <= high, found 0.85, 0.8, 0.9"),
        (ScoreRow, {"high": ""}, "expected low <= value <= high, found 0.7, 0.8, empty"),
        (ScoreRow, {"n_clean": "0"}, "value_clean is there where n_clean is above 0, and only there"),
        (ComparisonRow, {"value": ""}, "a cell without a value needs its reason in notes"),
        (
            ComparisonRow,
            {"best_difference": "-3", "best_low": "-1", "best_high": "1"},
            "expected best_low <= best_difference <= best_high, found -1, -3, 1",
        ),
        (
            ComparisonRow,
            {"scratch_p": "0.2", "scratch_p_holm": "0.1"},
            "expected scratch_p <= scratch_p_holm, found 0.2, 0.1",
        ),
        (CostRow, {"hours": ""}, "status ok and hours go together"),
        (CostRow, {"hours": "", "status": "missing"}, "status missing needs a reason"),
    ],
)
def test_columns_that_contradict_each_other_are_refused(tmp_path, model, cells, said):
    assert refusal(tmp_path / "some.csv", model, changed(model, **cells)) == f"line 2: {said}."


@pytest.mark.parametrize(
    ("model", "cells"),
    [
        (ScoreRow, {"data": "synthetic"}),
        (ScoreRow, {"contamination": "overlap"}),
        (ScoreRow, {"fraction": "0"}),
        (ScoreRow, {"spec_sha256": "abc"}),
        (ScoreRow, {"n_cases": "-1"}),
        (ScoreRow, {"n_cases": "1.5"}),
        (ComparisonRow, {"scratch_p": "1.2"}),
        (ComparisonRow, {"group": "0"}),
        (ComparisonRow, {"is_small": "perhaps"}),
        (RankRow, {"mean_rank": "0.5"}),
        (CostRow, {"energy_wh": "-1"}),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_here_and_by_the_json_schema(tmp_path, model, cells):
    column, cell = next(iter(cells.items()))
    said = refusal(tmp_path / "some.csv", model, changed(model, **cells))
    assert said.startswith(f"line 2, column {column} is '{cell}': ")
    validator = Draft202012Validator(json_schema("some", model))
    valid = {name: as_json(value, model, name) for name, value in VALID[model][0].items()}
    assert validator.is_valid(valid)
    assert not validator.is_valid(valid | {column: as_json(cell, model, column)})


def as_json(text, model, column):
    """Return a cell as JSON has it: a number or a truth where it reads as one and its column is of them."""
    if dtypes(model)[column] == "str":
        return text
    return {"True": True}.get(text) or (float(text) if text.lstrip("-").replace(".", "").isdigit() else text)


def test_a_row_of_another_length_is_named_by_its_line(tmp_path):
    path = write(tmp_path / "cost.csv", CostRow, changed(CostRow, device='"two\nlines"'))
    path.write_text(path.read_text() + "full,real\n")
    with pytest.raises(
        DataError, match=r"cost\.csv: line 5 has 2 cells, the header has 28; delete it and make it again"
    ):
        read_table(path, CostRow)


def test_lines_are_counted_as_an_editor_does(tmp_path):
    rows = [VALID[CostRow][0] | {"device": "two\nlines"}, VALID[CostRow][1] | {"hours": "long"}]
    assert refusal(tmp_path / "cost.csv", CostRow, rows).startswith("line 4, column hours is 'long': ")


def test_what_is_no_csv_in_utf8_is_refused(tmp_path):
    path = tmp_path / "scores.csv"
    for content, said in (
        (b"budget,\xff\n", "byte 7 is not UTF-8"),
        (b'budget,"data\n', "line 1 is not CSV"),
        (b"", "column 'budget' is missing"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=said):
            read_scores(path)
    with pytest.raises(DataError, match="no such file; make it with `voxelbench scores`"):
        read_scores(tmp_path / "none.csv")


@settings(max_examples=100)
@given(st.data())
def test_any_text_in_any_cell_is_read_or_refused_in_one_sentence(tmp_path_factory, data):
    model = data.draw(st.sampled_from(list(VALID)))
    text = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["-1", "0", "1e400", "True", "1_0", "٣"])
    rows = changed(model, **{data.draw(st.sampled_from(model.columns())): data.draw(text)})
    path = write(tmp_path_factory.getbasetemp() / "fuzzed.csv", model, rows)
    try:
        assert len(read_table(path, model)) == len(rows)
    except DataError as error:
        assert str(error).startswith(f"{path}: line 2")


def test_five_thousand_rows_are_checked_in_well_below_a_second(tmp_path):
    path = write(tmp_path / "scores.csv", ScoreRow, [VALID[ScoreRow][0] | {"seed": str(i)} for i in range(5000)])
    before = time.process_time()
    read_scores(path)
    assert time.process_time() - before < 1


def test_the_committed_schemas_are_those_of_the_models(tmp_path):
    export_schemas(tmp_path)
    committed = ROOT / "workflow" / "schemas"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in committed.iterdir())
    for path in tmp_path.iterdir():
        assert path.read_text() == (committed / path.name).read_text(), "run `voxelbench schemas`"
        Draft202012Validator.check_schema(json.loads(path.read_text()))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_dictionary_explains_every_column(name):
    """Columns that name a run are explained once, with the scores; those of a leaderboard on its own page."""
    sections = (ROOT / paths.DICTIONARY).read_text().split("\n## ")
    files = (f"`<budget>/{name}.csv`", f"`{paths.scores('<budget>', paths.MAIN_TABLE).relative_to(paths.RESULTS)}`")
    explaining = [section for section in sections if any(file in section.split("\n")[0] for file in files)]
    if name == "leaderboard":
        explaining = [(ROOT / "docs" / "leaderboard.md").read_text()]
    explained = {column for section in explaining for row in section.splitlines() for column in first_cell(row)}
    assert not set(SCHEMAS[name].columns()) - explained


def first_cell(row):
    """Return the columns that a row of a Markdown table is on."""
    return re.findall(r"`(\w+)`", row.split("|")[1]) if row.startswith("|") else []
