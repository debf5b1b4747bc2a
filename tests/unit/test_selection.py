"""Weights are selected by held-out cases, or by the test cases as upstream does; a resumed run selects the same."""

import re
import shutil

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from voxelbench import paths, registry
from voxelbench.config import read_encoder
from voxelbench.data.case import read_cases
from voxelbench.data.grid import grid_name
from voxelbench.data.source import write_twin
from voxelbench.data.splits import select
from voxelbench.encoders.build import build
from voxelbench.encoders.publish import publish
from voxelbench.errors import ConfigError, DataError, TrainingError
from voxelbench.evaluate.cases import check_classes, task_cases
from voxelbench.evaluate.controls import shuffle_targets
from voxelbench.evaluate.examples import read_examples
from voxelbench.evaluate.finetune import make_task, score_cases
from voxelbench.evaluate.labels import absent_classes
from voxelbench.evaluate.rows import read_rows
from voxelbench.evaluate.run import evaluate
from voxelbench.evaluate.selection import Selector
from voxelbench.expand import eval_manifest, native_manifest
from voxelbench.resolve import eval_spec
from voxelbench.runs import NO_CORPUS, RANDOM, EvalRun, MethodId, PretrainRun
from voxelbench.training.complexity import measure

# Scores of the steps 2, 4, ... of a run: the best one comes twice.
SCORES = {2: 0.1, 4: 0.6, 6: 0.2, 8: 0.6, 10: 0.5}


class Counter(nn.Module):
    """A network whose only weight is the step it was trained for."""

    def __init__(self):
        super().__init__()
        self.step = nn.Parameter(torch.zeros(()))


def selector(path, network, identity="run", total=10):
    return Selector(path, identity, network, lambda each: SCORES[int(each.step)], 2, total)


def walk(selecting, network, steps):
    rows = []
    for step in steps:
        network.step.data.fill_(step)
        rows.append(selecting.at_step(step))
    return rows


def test_the_best_step_is_selected_and_of_equal_ones_the_later(tmp_path):
    network = Counter()
    selecting = selector(tmp_path / "selected.pt", network)
    rows = walk(selecting, network, range(1, 11))
    assert [row.get("validation") for row in rows] == [SCORES.get(step) for step in range(1, 11)]
    assert network.training and selecting.restore() == 8 and network.step == 8


@pytest.mark.parametrize(("stopped", "resumed"), [(9, 5), (4, 3), (6, 6), (10, 9)])
def test_a_resumed_run_selects_what_an_uninterrupted_one_does(tmp_path, stopped, resumed):
    """The checkpoint is older than the selection: some steps are scored twice."""
    path, network = tmp_path / "selected.pt", Counter()
    walk(selector(path, network), network, range(1, stopped + 1))
    again = selector(path, network)
    walk(again, network, range(resumed, 11))
    assert again.restore() == 8 and network.step == 8


@pytest.mark.parametrize("left", ["of another run", "damaged"])
def test_what_another_run_left_counts_for_nothing(tmp_path, left):
    path, network = tmp_path / "selected.pt", Counter()
    network.step.data.fill_(4)
    selector(path, network, "other").at_step(4)
    if left == "damaged":
        path.write_bytes(path.read_bytes()[:100])
    fresh = selector(path, network)
    walk(fresh, network, [6, 10])
    assert fresh.restore() == 10


def test_the_last_step_is_scored_whatever_the_interval(tmp_path):
    network = Counter()
    selecting = selector(tmp_path / "selected.pt", network, total=4)
    selecting.every = 3
    assert [bool(row) for row in walk(selecting, network, [1, 4])] == [False, True]


@pytest.fixture
def make_run(checkout):
    """Return a function that makes a run on a coarse twin."""
    recipes = {
        "segmentation": {"settings": {"grid": 14.0, "crop": [64, 32, 32], "steps": 2, "validate_steps": 1}},
    }
    for recipe in recipes.values():
        recipe["datasets"] = {"msd_spleen": recipe["settings"]}
    budget = checkout / "config" / "budgets" / "coarse.yaml"
    budget.write_text(yaml.safe_dump({"extends": "demo", "recipes": recipes}))

    def make(dataset="msd_spleen", task="segmentation", method=str(RANDOM), corpus=NO_CORPUS, **changes):
        pretrain = PretrainRun("coarse", corpus, MethodId.parse(method), "swin12-demo", 0)
        return EvalRun(dataset, task, 0, pretrain, **changes)

    return make


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """Return a folder with the twin of MSD Spleen prepared on the two grids of a run."""
    folder = tmp_path_factory.mktemp("twin")
    plugin, card = registry.load_dataset("msd_spleen"), registry.dataset_card("msd_spleen")
    write_twin("msd_spleen", folder / "raw")
    for grid in (14.0, "native"):
        plugin.prepare(folder / "raw", folder / grid_name(grid), card, grid)
    return folder


@pytest.fixture
def prepared(twin, make_run):
    """Return a function that puts what a run reads in its place, and returns the run and its spec."""

    def make(**changes):
        run = make_run(**changes)
        for grid, manifest in (("14mm", eval_manifest(run)), ("native", native_manifest(run))):
            shutil.copytree(twin / grid, manifest.parent, dirs_exist_ok=True)
        return run, eval_spec(run)

    return make


def ids(cases):
    return {case.case_id for case in cases}


def test_who_trains_and_who_selects(prepared):
    run, spec = prepared(selection="harness")
    manifest = eval_manifest(run)
    harness = task_cases(spec, manifest)
    upstream = task_cases(eval_spec(EvalRun(**vars(run) | {"selection": "upstream"})), manifest)
    last = task_cases(eval_spec(EvalRun(**vars(run) | {"selection": "last"})), manifest)
    assert not ids(harness.validation) & (ids(harness.training) | ids(harness.testing))
    assert ids(harness.training) == ids(last.training) and not last.validation
    assert ids(upstream.training) == ids(harness.training) | ids(harness.validation)
    assert ids(upstream.validation) == ids(upstream.testing) == ids(harness.testing) == ids(last.testing)


def test_a_run_scores_the_selected_weights_and_leaves_the_record(prepared):
    run, _ = prepared(selection="harness")
    evaluate(run)
    losses = (run.folder() / paths.LOSSES).read_text().splitlines()
    values = [float(line.rsplit(",", 1)[1]) for line in losses[1:]]
    assert losses[0].endswith(",validation") and len(values) == 2
    record = yaml.safe_load((run.folder() / paths.RUN).read_text())
    assert record["selected_step"] == (2 if values[1] >= values[0] else 1)
    assert record["n_val"] == 2 and record["flops_per_crop"] > 1e9
    assert (record["n_steps"], record["flops_per_step"]) == (2, 3 * 2 * record["flops_per_crop"])
    examples = read_examples(run.folder() / paths.EXAMPLES)
    scores = read_rows(run.folder() / paths.CASES).query("metric == 'dice' and space == 'native'")
    assert {each.case_id: round(each.value, 6) for each in examples} == dict(
        zip(scores["case_id"], scores["value"], strict=True)
    )
    assert not (run.folder() / paths.SELECTED).exists()


def test_a_frozen_encoder_stays_and_the_rest_learns(prepared):
    run, _ = prepared(selection="last", method="scratch.frozen")
    evaluate(run)
    record = yaml.safe_load((run.folder() / paths.RUN).read_text())
    trunk = build(eval_spec(run).encoder, 1, ()).trunk
    n_trunk = sum(parameter.numel() for parameter in trunk.parameters())
    assert record["n_parameters"] - record["n_trained_parameters"] == n_trunk > 0


def test_a_case_that_is_missing_on_the_native_grid_is_named(prepared):
    run, spec = prepared()
    native = native_manifest(run)
    lines = native.read_text().splitlines()
    testing = min(ids(task_cases(spec, eval_manifest(run)).testing))
    native.write_text("\n".join(line for line in lines if not line.startswith(f"{testing},")) + "\n")
    with pytest.raises(DataError, match=f"lacks case {testing}, which is to be scored there"):
        task_cases(spec, eval_manifest(run), native)


def test_a_class_without_training_cases_is_named(make_run, make_case):
    spec = eval_spec(make_run(dataset="cc_ccii", task="classification", fraction=0.1))
    volume = np.zeros((1, 2, 3, 4), np.float32)
    training = [make_case(volume, name=f"case{target}", target=target) for target in (0, 2)]
    name = registry.dataset_card("cc_ccii").classes[1]
    with pytest.raises(DataError, match=rf"none of the 2 training cases .*, fraction 0.1 is of class '{name}'; take"):
        check_classes(training, spec)


@pytest.fixture
def make_labelled(make_case):
    """Return a function that makes a case of 2 x 3 x 4 voxels whose first ones carry some labels."""

    def make(name, *values):
        label = np.zeros((2, 3, 4), np.uint8)
        label.flat[: len(values)] = values
        return make_case(np.zeros((1, *label.shape), np.float32), label, name=name)

    return make


def test_a_structure_without_training_cases_is_named(make_run, make_labelled):
    spec = eval_spec(make_run(dataset="msd_liver", fraction=0.5))
    training = [make_labelled("a"), make_labelled("b", 1)]
    with pytest.raises(DataError) as caught:
        check_classes(training, spec)
    assert str(caught.value) == (
        "msd_liver: none of the 2 training cases of split nnunet_fold0, fold 0, fraction 0.5 shows 'cancer'; "
        "take another fold or a larger fraction."
    )
    check_classes([*training, make_labelled("c", 2)], spec)
    probe = eval_spec(make_run(dataset="msd_liver", protocol="token_probe", selection="last"))
    check_classes(training, probe)


def test_labels_are_read_until_all_classes_were_seen(make_labelled):
    regions = {"whole": (1, 2, 4), "core": (1, 4), "enhancing": (4,)}
    training = [make_labelled("a", 2), make_labelled("b"), make_labelled("c", 4), make_labelled("d")]
    assert absent_classes(training[:2], regions) == ["core", "enhancing"]
    training[3].label_image.unlink()
    assert absent_classes(training, regions) == []


def test_one_case_has_no_other_to_take_a_label_from(make_labelled):
    with pytest.raises(DataError, match="`shuffled` gives a case the label of another, but case a trains alone; take"):
        shuffle_targets([make_labelled("a", 1)], np.random.RandomState(0))


def test_without_validation_cases_the_remedy_is_named(prepared):
    run, spec = prepared(selection="harness")
    manifest = eval_manifest(run)
    held_out = ids(task_cases(spec, manifest).validation)
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if line.split(",")[0] not in held_out))
    with pytest.raises(DataError) as caught:
        task_cases(spec, manifest)
    assert str(caught.value) == (
        f"msd_spleen: split {spec.task.split}, fold 0 has no val case among {len(lines) - 1 - len(held_out)} prepared; "
        "test the last weights (`selection: last`), or name a split that holds validation cases out."
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"feature_size": 24, "name": "wide"}, "has shape .* the run names another encoder"),
        ({"merging": "fixed", "name": "fixed"}, "was trained with `merging: fixed`, the run's encoder swin12-demo has"),
    ],
)
def test_a_checkpoint_of_another_encoder_is_named(prepared, changes, sentence):
    run, _ = prepared(method="s2dc.code", corpus="ct", selection="last")
    weights = run.pretrain.weights()
    weights.parent.mkdir(parents=True)
    publish(build(read_encoder("swin12-demo").model_copy(update=changes), 1, ()), weights)
    with pytest.raises(TrainingError, match=rf"{re.escape(str(weights))}: .*{sentence}"):
        evaluate(run)
    assert not (run.folder() / paths.CASES).exists()


def test_a_prediction_that_is_not_finite_is_named(prepared):
    run, spec = prepared()
    case = task_cases(spec, eval_manifest(run)).testing[0]

    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.full((), torch.nan))

        def forward(self, volume):
            return self.weight * volume.expand(-1, 2, -1, -1, -1)

    task = make_task(spec)
    for score in (task.validate, task.score):
        with pytest.raises(DataError, match=f"case {case.case_id}: the prediction 'probabilities' has .* not finite"):
            score_cases(task, Broken(), [case], score)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"protocol": "token_probe", "selection": "harness"}, "a token_probe trains no weights to select from"),
        ({"fraction": 0.0}, "label fraction 0: expected a share above 0"),
        ({"fraction": 1.5}, "label fraction 1.5: expected a share above 0"),
    ],
)
def test_runs_that_make_no_sense(make_run, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make_run(**changes)


def test_complexity_of_a_convolution_has_a_closed_form():
    network = nn.Sequential(nn.Conv3d(2, 3, 3, padding=1, bias=False), nn.Dropout())
    network[0].weight.requires_grad_(False)
    found = measure(network, 2, (4, 5, 6))
    assert found == {"n_parameters": 162, "n_trained_parameters": 0, "flops_per_crop": 2 * 27 * 2 * 3 * 4 * 5 * 6}
    assert network.training


@pytest.mark.parametrize("parts", [("test",), ("train", "val")])
def test_parts_are_joined(prepared, parts):
    run, spec = prepared()
    cases, card = read_cases(eval_manifest(run)), registry.dataset_card(run.dataset)
    each = [ids(select(cases, card, spec.task.split, 0, part)) for part in parts]
    assert all(each) and ids(select(cases, card, spec.task.split, 0, *parts)) == set.union(*each)
