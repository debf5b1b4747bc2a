"""A montage shows the same cases of every method, says why an answer is missing, and who may see real patients."""

import numpy as np
import pytest
import yaml

from voxelbench import config, paths, registry
from voxelbench.cards import TaskKind
from voxelbench.errors import ConfigError
from voxelbench.evaluate.examples import Example, write_examples
from voxelbench.evaluate.rows import Row, write_rows
from voxelbench.figure_inputs import figure_inputs, figure_settings, montage_runs
from voxelbench.report.figures import draw
from voxelbench.report.figures.montage import ranked
from voxelbench.report.figures.montage_draw import MARK
from voxelbench.report.figures.request import Request

DICE = {
    "scratch": {"c1": 0.2, "c2": 0.9, "c3": 0.5, "c4": 0.4, "c5": 0.6},
    "scratch.frozen": {"c1": 0.9, "c2": 0.1, "c3": 0.3, "c4": 0.4, "c5": 0.6},
}


@pytest.fixture
def figure(checkout):
    """Return a function that makes the request of a montage of a small table with three methods."""
    file = checkout / "config" / "config.yaml"

    def make(column="msd_spleen", **changes):
        content = yaml.safe_load(file.read_text())
        columns = [
            {"name": "msd_spleen", "dataset": "msd_spleen", "task": "segmentation"},
            {"name": "organs", "dataset": "ct_samples", "task": "organs"},
            {"name": "udpet", "dataset": "udpet", "task": "reconstruction"},
            {"name": "cc_ccii", "dataset": "cc_ccii", "task": "classification"},
        ]
        methods = ["scratch", "scratch.frozen", "scratch.shuffled"]
        content["tables"] = {"small": {"title": "Small", "methods": methods, "columns": columns}}
        content["site"] = {"tables": ["small"]}
        content["figures"] = {"m": {"kind": "montage", "table": "small", "column": column, **changes}}
        file.write_text(yaml.safe_dump(content))
        config.read_config.cache_clear()
        return Request("m", figure_settings("m"), "demo")

    return make


def panels(kind, number):
    plane = np.random.RandomState(number).uniform(size=(9, 8))
    if kind == TaskKind.segmentation:
        return {"image": (255 * plane).astype(np.uint8), "truth": plane > 0.8, "answer": plane > 0.7}
    if kind == TaskKind.classification:
        sure = np.array([0.2, 0.1 * number, 0.1], np.float32)
        return {"image": (255 * plane).astype(np.uint8), "probabilities": sure, "true_class": np.array(1)}
    return {"input": plane, "target": plane**2, "answer": plane**1.5}


def leave(request, kind=TaskKind.segmentation, metric="dice"):
    """Write what two of the three runs leave: examples, and the scores that give their values."""
    for run in montage_runs(request.settings, "demo"):
        scores = DICE.get(str(run.pretrain.method))
        if scores is None:
            continue
        rows = [Row(name, f"p{name}", "a", metric, value, 1, "grid") for name, value in scores.items()]
        made = [
            Example(name, {key: np.asarray(panel) for key, panel in panels(kind, k).items()}, "a>b")
            for k, name in enumerate(scores)
        ]
        if kind == TaskKind.classification:
            rows = [
                Row(name, f"p{name}", label, what, float(value), 0, "grid")
                for k, name in enumerate(scores)
                for index, label in enumerate("xyz")
                for what, value in (
                    ("probability", panels(kind, k)["probabilities"][index]),
                    ("is_true", index == 1),
                )
            ]
        write_examples(run.folder() / paths.EXAMPLES, kind, run.selection, made, rows)
        write_rows(run.folder() / paths.CASES, rows)


def texts(picture):
    return [text.get_text() for text in picture.texts] + [
        text.get_text() for axis in picture.axes for text in (*axis.texts, axis.title, axis.xaxis.label)
    ]


def test_the_cases_are_those_of_the_reference_for_every_method(figure):
    request = figure()
    leave(request)
    picture, numbers = draw.draw(request)
    by_method = numbers.groupby("variant", sort=False)
    assert [list(part["case_id"]) for _, part in by_method] == [["c2", "c3", "c1"]] * 3
    assert numbers["rank"].tolist() == ["best", "median", "worst"] * 3
    assert numbers.query("variant == 'frozen'")["value"].tolist() == [10.0, 30.0, 90.0]
    assert {"dice 90.0", "dice 10.0", "not run"} <= set(texts(picture)) and MARK not in texts(picture)
    assert numbers["reference"].unique() == ["scratch"]


def test_another_reference_gives_other_cases(figure):
    request = figure(reference="scratch.frozen")
    leave(request)
    _, numbers = draw.draw(request)
    assert numbers["case_id"].tolist()[:3] == ["c1", "c4", "c2"]


@pytest.mark.parametrize(
    ("column", "kind", "metric"),
    [("udpet", TaskKind.reconstruction, "ssim"), ("cc_ccii", TaskKind.classification, "accuracy")],
)
def test_other_tasks_are_drawn_too(figure, column, kind, metric):
    request = figure(column)
    leave(request, kind, metric)
    picture, numbers = draw.draw(request)
    shown = [axis for axis in picture.axes if axis.images or axis.patches]
    # An image of each case and two methods' bars; or input, target, two answers, and the errors of all but the target.
    assert len(shown) == {"cc_ccii": 3 * 3, "udpet": 3 * 7}[column]
    assert set(numbers["metric"]) == {metric} and "not run" in texts(picture)


def test_real_patients_carry_a_mark(figure):
    request = figure("organs")
    leave(request)
    picture, numbers = draw.draw(request)
    assert MARK in texts(picture) and not numbers["may_be_published"].any()


def test_who_may_pass_slices_on_stands_in_the_card(checkout):
    allowed = {name for name in registry.names("datasets") if registry.dataset_card(name).may_be_redistributed}
    assert "luna16" in allowed and not allowed & {"btcv", "ct_samples", "brats21", "adni", "abdomenct_1k"}


def example(name, value, sure=None):
    shown = {} if sure is None else {"probabilities": np.array([1 - sure, sure]), "true_class": np.array(1)}
    return Example(name, shown, value=value)


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ([], []),
        ([0.5], [("best", "0")]),
        ([0.1, 0.5], [("best", "1"), ("worst", "0")]),
        ([0.1, 0.5, float("nan"), 0.3], [("best", "1"), ("median", "3"), ("worst", "0")]),
        ([0.1, 0.2, 0.3, 0.4], [("best", "3"), ("median", "1"), ("worst", "0")]),
    ],
)
def test_best_median_and_worst(values, chosen):
    assert ranked([example(str(k), value) for k, value in enumerate(values)]) == chosen


def test_of_equal_accuracies_the_surer_answer_is_better():
    examples = [example("a", 1.0, 0.6), example("b", 1.0, 0.9), example("c", 1.0, 0.7)]
    assert [case for _, case in ranked(examples)] == ["b", "c", "a"]


def test_a_reference_without_slices_is_named(figure):
    picture, numbers = draw.draw(figure())
    assert not picture.axes and numbers["reason"].item() == (
        "figure 'm': its reference scratch has no examples (not run); evaluate it, or name another `reference`."
    )


def test_a_column_that_does_not_exist_is_named(figure):
    with pytest.raises(ConfigError, match=r"table small has no column 'msd_spleeen'\. Did you mean 'msd_spleen'"):
        figure_inputs("m", figure("msd_spleeen").budget)


def test_the_workflow_makes_the_runs_of_one_column(figure):
    request = figure()
    inputs = figure_inputs("m", request.budget)
    assert len(inputs) == 3 and {path.name for path in inputs} == {paths.EXAMPLES}
    assert all("msd_spleen-segmentation" in path.parts for path in inputs)
