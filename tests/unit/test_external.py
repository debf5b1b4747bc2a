"""External methods: their environment, their rows, and a run of a stub from cases to scores, interrupted and whole."""

import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from voxelbench import config, environment, expand, paths, registry, resolve
from voxelbench.errors import ConfigError, DataError
from voxelbench.evaluate import cases as evaluated_cases
from voxelbench.evaluate import external
from voxelbench.evaluate.examples import read_examples
from voxelbench.external import External
from voxelbench.runs import NO_CORPUS, OWN_NETWORK, EvalRun, MethodId, PretrainRun
from voxelbench.validation import Strict

NNUNET = MethodId("nnunet")
SHAPE = (10, 12, 8)


def run_of(dataset="msd_spleen", task="segmentation", budget="demo"):
    return EvalRun(dataset, task, 0, PretrainRun(budget, NO_CORPUS, NNUNET, OWN_NETWORK, 0), selection="harness")


@pytest.fixture
def without_package(checkout, monkeypatch):
    """Make nnunetv2 absent, whatever is installed here."""
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    return checkout


def make_environment(checkout):
    python = checkout / ".venv-nnunet" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    return python


def test_without_its_environment_a_run_says_how_to_make_it(without_package):
    reason = "nnunet needs nnunetv2 in an environment of its own; `make nnunet` makes it"
    assert expand.gate(run_of()) == f"gated: {reason}"
    assert expand.gate(run_of(), has_environments=True) is None
    with pytest.raises(ConfigError) as caught:
        environment.enter(registry.method_card("nnunet"))
    assert str(caught.value) == f"{reason}."


def test_a_run_starts_itself_anew_in_its_environment(without_package, monkeypatch):
    python, started = make_environment(without_package), []
    monkeypatch.setattr(os, "execv", lambda path, arguments: started.append((path, arguments)))
    monkeypatch.setattr(sys, "argv", ["voxelbench", "evaluate", "btcv", "--seed", "3"])
    assert expand.gate(run_of()) is None
    environment.enter(registry.method_card("nnunet"))
    assert started == [(python, (str(python), "-m", "voxelbench", "evaluate", "btcv", "--seed", "3"))]
    environment.enter(registry.method_card("scratch"))
    assert len(started) == 1


def test_an_environment_without_the_package_does_not_start_itself_for_ever(without_package, monkeypatch):
    folder = make_environment(without_package).parents[1]
    monkeypatch.setattr(sys, "prefix", str(folder))
    with pytest.raises(ConfigError) as caught:
        environment.enter(registry.method_card("nnunet"))
    assert str(caught.value) == f"{folder} holds no nnunetv2; delete it, and make it with `make nnunet`."


def test_a_task_that_a_tool_does_not_do_is_an_empty_cell_with_that_note(checkout):
    reason = expand.gate(run_of("cc_ccii", "classification"), has_environments=True)
    assert reason == "segmentation only: nnunet has no answer to classification"


def rows(table, budget, controls=None):
    return [(str(row.method), row.encoder) for row in expand.table_rows(table, budget, controls)]


def test_a_control_is_a_row_on_request_or_where_the_budget_says_so(checkout):
    row = ("nnunet", OWN_NETWORK)
    default = rows("table1", "demo")
    assert row not in default and rows("table1", "demo", ("nnunet",)) == [*default, row]
    assert rows("table1", "full")[-1] == row and row not in rows("table1", "full", ())
    assert rows("native", "demo", ("nnunet",)).count(row) == 1
    assert ("scratch.shuffled", "swin12-demo") in rows("table1", "demo", ("scratch.shuffled",))


def test_a_table_of_other_methods_or_of_probes_has_no_such_row(checkout):
    assert rows("ablation", "demo", ("nnunet",)) == rows("ablation", "demo")
    assert rows("learning", "learn", ("nnunet",)) == rows("learning", "learn")


@pytest.mark.parametrize(
    ("asked", "controls"),
    [(None, None), ([], ()), ("nnunet", ("nnunet",)), (["nnunet", "scratch"], ("nnunet", "scratch"))],
)
def test_controls_as_the_workflow_is_asked_for_them(checkout, asked, controls):
    assert expand.asked_controls(asked) == controls


def test_a_control_that_does_not_exist_is_refused_early(checkout):
    with pytest.raises(ConfigError, match=r"There is no folder methods/nnunett .* Did you mean 'nnunet'\?"):
        expand.asked_controls(["nnunett"])
    file = checkout / "config" / "config.yaml"
    file.write_text(file.read_text().replace("budget: demo", "budget: full", 1))
    budget = checkout / "config" / "budgets" / "full.yaml"
    budget.write_text(budget.read_text().replace("[nnunet]", "[nnunett]"))
    with pytest.raises(ConfigError, match=r"Did you mean 'nnunet'\?"):
        config.read_config()


def test_a_tool_is_not_probed(checkout):
    file = checkout / "config" / "config.yaml"
    file.write_text(file.read_text().replace("[scratch, alice.relpos, gvsl.code, gvsl.fixed]", "[scratch, nnunet]"))
    with pytest.raises(ConfigError) as caught:
        config.read_config()
    assert str(caught.value) == (f"{file}: table 'learning_native' probes encoders, and nnunet has none; leave it out.")


def test_a_spec_has_the_settings_of_the_budget_and_no_encoder(checkout):
    demo, full = (resolve.eval_spec(run_of(budget=budget)) for budget in ("demo", "full"))
    assert demo.encoder is None and demo.pretrain_sha256 == ""
    assert (full.recipe["epochs"], full.recipe["iterations"]) == (1000, 250)
    assert demo.recipe["epochs"] == 1 and demo.recipe.keys() == full.recipe.keys()
    assert expand.eval_manifest(run_of()).parent.name == "phantom-native"


class Answers(External):
    """Answers the first test case with its reference and the others with nothing; fails in training when told to."""

    steps: list[str]
    fails = False

    def prepare(self):
        self.steps.append("prepare")

    def train(self):
        self.steps.append("train")
        if self.fails:
            raise KeyboardInterrupt
        return {"n_parameters": 7}

    def predict(self, case):
        self.steps.append(f"predict {case.case_id}")
        return case.label() if case == self.job.testing[0] else np.zeros(case.shape, np.int64)


@pytest.fixture
def stub(checkout, make_case, monkeypatch):
    """Return a method of which the next run of nnU-Net is one, on a few small cases of every part."""
    label = np.zeros(SHAPE, np.uint8)
    label[2:6, 3:8, 2:5] = 1
    names = ["spleen_10", "spleen_13", *(f"spleen_{number}" for number in range(38, 50))]
    cases = [make_case(np.zeros((1, *SHAPE), np.float32), label, name=name) for name in names]
    manifest = expand.eval_manifest(run_of())
    manifest.parent.mkdir(parents=True)
    manifest.write_text("cases\n")
    method = type("Stub", (Answers,), {"steps": []})
    settings = type("Config", (Strict,), {"model_config": {"extra": "allow"}})
    monkeypatch.setattr(evaluated_cases, "read_cases", lambda path: cases)
    monkeypatch.setattr(registry, "load_external", lambda name: SimpleNamespace(Config=settings, External=method))
    return method


def test_answers_are_scored_on_the_native_grid_and_recorded(stub):
    external.evaluate_external(run_of())
    folder = run_of().folder()
    rows = pd.read_csv(folder / paths.CASES)
    scored = rows[rows["metric"] == "dice"].set_index("case_id")
    assert scored.loc["spleen_10", "value"] == 1.0 and scored.loc["spleen_13", "value"] == 0.0
    assert set(scored["space"]) == {"native"} and set(scored["n_voxels"]) == {4 * 5 * 3}
    shown = {each.case_id: each for each in read_examples(folder / paths.EXAMPLES)}
    assert shown.keys() == set(scored.index) and shown["spleen_10"].value == 1.0
    assert (shown["spleen_10"].panels["answer"] == shown["spleen_10"].panels["truth"]).all()
    assert not shown["spleen_13"].panels["answer"].any() and shown["spleen_13"].panels["truth"].any()
    record = json.loads((folder / paths.RUN).read_text())
    assert record["n_parameters"] == 7 and record["n_train"] + record["n_val"] + record["n_test"] == 14
    assert {"prepare", "train", "predict", "score"} <= record["seconds"].keys()
    assert not (folder / paths.WORK).exists()


def test_an_interrupted_run_goes_on_and_a_finished_one_keeps_its_work_if_asked(stub, monkeypatch):
    stub.fails = True
    with pytest.raises(KeyboardInterrupt):
        external.evaluate_external(run_of())
    stub.fails, stub.steps[:] = False, []
    monkeypatch.setenv(external.KEEP, "1")
    external.evaluate_external(run_of())
    tested = [f"predict {name}" for name in ("spleen_10", "spleen_13", "spleen_44", "spleen_47")]
    assert stub.steps == ["train", *tested]
    stub.steps[:] = []
    external.evaluate_external(run_of())
    assert stub.steps == ["train"]


def test_what_a_run_of_other_settings_left_is_not_taken_up(stub, checkout, monkeypatch):
    monkeypatch.setenv(external.KEEP, "1")
    external.evaluate_external(run_of())
    stub.steps[:] = []
    file = checkout / "methods" / "nnunet" / "config.yaml"
    file.write_text(file.read_text().replace("iterations: 400", "iterations: 401"))
    external.evaluate_external(run_of())
    assert stub.steps[:3] == ["prepare", "train", "predict spleen_10"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            np.zeros((8, 12, 10), np.uint8),
            "the answer for case case has shape (8, 12, 10), its volume (10, 12, 8); "
            "an answer lies on the native grid of its case.",
        ),
        (
            np.full(SHAPE, 3, np.uint8),
            "the answer for case case has the label 3, expected [0, 1, 4]; "
            "an answer holds the native labels of its task.",
        ),
        (
            np.full(SHAPE, np.nan),
            "the answer for case case has the label nan, expected [0, 1, 4]; "
            "an answer holds the native labels of its task.",
        ),
    ],
)
def test_an_answer_that_is_no_label_map_is_named(make_case, answer, sentence):
    case = make_case(np.zeros((1, *SHAPE), np.float32))
    with pytest.raises(DataError) as caught:
        external.check_answer(answer, case, {"one": (1,), "both": (1, 4)})
    assert str(caught.value) == sentence


def test_a_class_that_no_training_case_has_is_named_before_the_method_starts(stub, make_case, monkeypatch):
    """The check is that of every finetuned run, tests/unit/test_selection.py."""
    names = ["spleen_10", *(f"spleen_{number}" for number in range(38, 50))]
    empty = [make_case(np.zeros((1, *SHAPE), np.float32), np.zeros(SHAPE, np.uint8), name=name) for name in names]
    monkeypatch.setattr(evaluated_cases, "read_cases", lambda path: empty)
    with pytest.raises(DataError) as caught:
        external.evaluate_external(run_of())
    assert str(caught.value) == (
        "msd_spleen: none of the 9 training cases of split nnunet_fold0, fold 0, fraction 1 shows 'spleen'; "
        "take another fold or a larger fraction."
    )
    assert stub.steps == []
