"""Each task draws, learns, answers and scores on small anisotropic cases; scores agree with slow references."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from voxelbench.cards import TaskKind
from voxelbench.config import read_encoder
from voxelbench.data.loading import read_scaled
from voxelbench.encoders.build import build
from voxelbench.evaluate.controls import shuffle_targets
from voxelbench.evaluate.finetune import TASKS
from voxelbench.evaluate.labels import answered_masks
from voxelbench.evaluate.metrics.image_quality import quality
from voxelbench.evaluate.rows import read_rows, write_rows
from voxelbench.evaluate.tasks.segmentation import class_weights
from voxelbench.recipes import RECIPES
from voxelbench.settings import IntensityRule, Optimiser

CPU = torch.device("cpu")
SHAPE, CROP = (36, 40, 33), (32, 64, 32)
CONTRASTS = ("t1", "t2", "flair")
CARDS = {
    "segmentation": {"labels": {0: "background", 1: "a", 2: "b", 4: "c"}},
    "classification": {"classes": ("well", "ill"), "target": "class"},
    "reconstruction": {"channels": ("low", "full"), "units": ("suv", "suv"), "inputs": ("low",), "target": ("full",)},
    "translation": {"channels": CONTRASTS, "units": ("",) * 3, "inputs": CONTRASTS, "target": CONTRASTS},
}
OWN = {
    "segmentation": {
        "foreground_share": 0.5,
        "class_balance": 0.5,
        "surface_tolerance_mm": 2.0,
        "loss_weights": {"dice": 1.0, "ce": 1.0},
    },
    "classification": {"loss_weights": {"ce": 1.0}},
    "reconstruction": {"body_threshold": 0.1, "loss_weights": {"mse": 1.0}},
    "translation": {"loss_weights": {"mse": 1.0}},
}


@pytest.fixture
def make_task(make_card):
    def make(kind, card=None, **changes):
        facts = {
            "steps": 2,
            "batch": 2,
            "checkpoint_steps": 1,
            "validate_steps": 1,
            "intensity_shift": {"up_to": 0.1, "probability": 1.0},
            "optimiser": Optimiser(lr=1e-3, weight_decay=0),
            "grid": "native",
            "crop": CROP,
            "intensity": (IntensityRule(kind="window", low=0, high=10),),
            "flip_probability": 0.5,
        }
        if kind != "classification":
            facts |= {"overlap": 0.0, "blend": "constant"}
        recipe = RECIPES[TaskKind(kind)].model_validate(facts | OWN[kind] | changes)
        card = card or make_card(kind, **CARDS[kind])
        return TASKS[TaskKind(kind)](card, card.tasks[0], recipe)

    return make


@pytest.fixture
def make_task_case(make_case):
    def make(kind, name="case", seed=0):
        rng = np.random.RandomState(seed)
        channels = CARDS[kind].get("channels", ("ct",))
        volume = rng.uniform(0, 10, (len(channels), *SHAPE)).astype(np.float32)
        label = rng.choice([0, 1, 2, 4], SHAPE).astype(np.uint8) if kind == "segmentation" else None
        volume[:, :3] = 0
        return make_case(volume, label, name=name, channels=channels, target=1 if kind == "classification" else None)

    return make


def collate(task, case, size=2):
    drawn = [task.draw((case,), np.random.RandomState(index)) for index in range(size)]
    return torch.utils.data.default_collate(drawn)


@pytest.mark.parametrize("encoder", ["swin12-demo", "gvsl-unet-demo", "alice-nnformer-demo"])
@pytest.mark.parametrize("kind", TASKS)
def test_a_task_draws_learns_answers_and_scores(make_task, make_task_case, kind, encoder):
    task, case = make_task(kind), make_task_case(kind)
    torch.manual_seed(0)
    network = task.network(build(read_encoder(encoder), task.in_channels, task.parts))
    batch = collate(task, case)
    assert batch["image"].shape == (2, task.in_channels, *CROP) and batch["image"].dtype == torch.float32
    losses = task.losses(network, batch)
    assert losses.keys() == task.recipe.loss_weights.keys()
    assert all(loss.dim() == 0 and torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())

    prediction = task.predict(network.eval(), case, CPU)
    rows = task.score(prediction, case)
    shapes = {
        "segmentation": {"probabilities": (4, *SHAPE)},
        "classification": {"probabilities": (2,)},
        "reconstruction": {"low": SHAPE},
        "translation": dict.fromkeys(CONTRASTS, (3, *SHAPE)),
    }
    assert {name: array.shape for name, array in prediction.items()} == shapes[kind]
    quality_names = {"psnr", "ssim", "nrmse", "psnr_identity", "ssim_identity", "nrmse_identity"}
    flags_and_scores = {"missed", "spurious", "absent", "dice", "hd95", "nsd"}
    translated = quality_names | {"psnr_upstream", "ssim_upstream"}
    expected = {
        "segmentation": {(name, metric) for name in "abc" for metric in flags_and_scores},
        "classification": {(name, metric) for name in ("well", "ill") for metric in ("probability", "is_true")},
        "reconstruction": {("low", name) for name in quality_names},
        "translation": {(f"{a}>{b}", name) for a in CONTRASTS for b in CONTRASTS if a != b for name in translated},
    }
    assert {(row.item, row.metric) for row in rows} == expected[kind]
    assert len(rows) == len(expected[kind]) and all(np.isfinite(row.value) for row in rows)


@pytest.mark.parametrize("kind", TASKS)
def test_draws_depend_on_the_random_state_alone(make_task, make_task_case, kind):
    task, case = make_task(kind), make_task_case(kind)
    first, again, other = (task.draw((case,), np.random.RandomState(seed)) for seed in (0, 0, 5))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["image"], other["image"])


def slow_dice(prediction, truth):
    both = sum(1 for p, t in zip(prediction.ravel(), truth.ravel(), strict=True) if p and t)
    return 2 * both / (int(prediction.sum()) + int(truth.sum()))


def certain(*masks):
    """Probabilities (background, classes) that give these exclusive masks."""
    return {"probabilities": np.stack([np.full(masks[0].shape, 0.5), *masks]).astype(np.float32)}


def test_dice_agrees_with_counting_whatever_the_label_values(make_task, make_task_case):
    task, case = make_task("segmentation"), make_task_case("segmentation")
    answer, label = np.random.RandomState(9).choice([0, 1, 2, 3], SHAPE), case.label()
    masks = [answer == number for number in (1, 2, 3)]
    rows = [row for row in task.score(certain(*masks), case) if row.metric == "dice"]
    assert rows == task.validate(certain(*masks), case)
    for row, value, mask in zip(rows, (1, 2, 4), masks, strict=True):
        assert row.value == pytest.approx(slow_dice(mask, label == value), rel=1e-6)
        assert row.n_voxels == (label == value).sum() and row.patient_id == "patient-case"


def test_empty_masks(make_task, make_case):
    """Neither has the class: only flags. Only the prediction, or only the reference, has it: 0."""
    label = np.zeros(SHAPE, np.uint8)
    label[5:9, 5:9, 5:9] = 4
    case = make_case(np.zeros((1, *SHAPE), np.float32), label)
    masks = np.zeros((3, *SHAPE), bool)
    masks[1, 20:22] = True
    rows = make_task("segmentation").score(certain(*masks), case)
    assert {row.item: (row.value, row.n_voxels) for row in rows if row.metric == "dice"} == {"b": (0, 0), "c": (0, 64)}
    flags = {(row.item, row.metric) for row in rows if row.metric in ("missed", "spurious", "absent") and row.value}
    assert flags == {("a", "absent"), ("b", "spurious"), ("c", "missed")}


def test_lesions_that_were_invented_and_missed_have_volumes(make_task, make_card, make_case):
    """AutoPET's rule. A lesion that is touched is neither; a case without one counts apart."""
    card = make_card("segmentation", labels={0: "background", 1: "lesion"})
    task = make_task("segmentation", card, lesion_volumes=True)
    label, answer = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, bool)
    label[2:4, 2:4, 2:4], label[10:12, 2, 2], answer[3, 3, 3], answer[20:23, 5, 5] = 1, 1, True, True
    rows = {}
    for name, truth in (("ill", label), ("well", np.zeros_like(label))):
        case = make_case(np.zeros((1, *SHAPE), np.float32), truth, name=name)
        rows[name] = {row.metric: row.value for row in task.score(certain(answer), case)}
    voxel_ml = np.prod(case.spacing_mm) / 1000
    assert rows["ill"]["false_positive_ml"] == pytest.approx(3 * voxel_ml)
    assert rows["ill"]["false_negative_ml"] == pytest.approx(2 * voxel_ml)
    assert rows["ill"]["dice_with_lesion"] == rows["ill"]["dice"] > 0
    assert rows["well"]["false_positive_ml"] == pytest.approx(4 * voxel_ml)
    assert rows["well"]["dice"] == 0 and "dice_with_lesion" not in rows["well"]


@pytest.mark.parametrize("turn", [0.0, 17.0])
def test_scores_on_the_scanners_own_grid(make_task, make_card, make_case, turn):
    """An ellipsoid on an oblique, anisotropic grid, answered on a coarse one: right but for a rim of voxels."""
    card = make_card("segmentation", labels={0: "background", 1: "a"})
    angle = np.deg2rad(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])

    def ellipsoid(name, spacing, shape):
        affine = np.eye(4)
        affine[:3, :3] = rotation * spacing
        index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
        mask = np.linalg.norm((index * spacing - [20, 25, 30]) / [10, 12, 14], axis=-1) < 1
        return make_case(mask[None].astype(np.float32), mask.astype(np.uint8), name=name, affine=affine)

    native, case = ellipsoid("fine", (1.0, 1.5, 2.5), (40, 34, 26)), ellipsoid("coarse", (3.0, 3.0, 3.0), (14, 17, 22))
    rows = make_task("segmentation", card).score(certain(case.label() == 1), replace(case, native=native))
    scores = {(row.space, row.metric): row.value for row in rows}
    assert scores["grid", "dice"] == 1 and scores["grid", "hd95"] == 0
    assert 0.9 < scores["native", "dice"] < 1 and 0 < scores["native", "hd95"] < 3
    assert {row.n_voxels for row in rows if row.space == "native"} == {native.label().sum()}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
@pytest.mark.parametrize("kind", ["labels", "regions"])
def test_probabilities_are_resampled_before_a_class_wins(make_task, make_card, make_case, kind, order, signs):
    """Onto permuted, flipped and shifted axes, against a look-up of every voxel on its own."""
    regions = {"whole": (1, 2, 4), "core": (1, 4), "enhancing": (4,)} if kind == "regions" else {}
    task = make_task("segmentation", make_card("segmentation", **CARDS["segmentation"], regions=regions))
    rng, shape, native_shape = np.random.RandomState(0), (9, 12, 10), (17, 13, 15)
    probabilities = rng.uniform(size=(task.out_channels, *shape)).astype(np.float32)
    affine, native_affine = np.diag([3.0, 2.0, 2.5, 1.0]), np.eye(4)
    native_affine[:3, :3] = np.eye(3)[:, order] * np.multiply(signs, (1.0, 1.5, 1.2))
    native_affine[:3, 3] = np.where(np.array(signs)[np.argsort(order)] > 0, 3.3, 19.7)
    label = rng.choice([0, 1, 2, 4], native_shape).astype(np.uint8)
    case, native = (
        make_case(np.zeros((1, *each.shape), np.float32), each, name=name, affine=grid)
        for name, each, grid in (
            ("grid", np.zeros(shape, np.uint8), affine),
            ("native", label, native_affine),
        )
    )
    rows = task.score({"probabilities": probabilities}, replace(case, native=native))
    there = np.linalg.inv(affine) @ native_affine
    indices = np.stack(np.meshgrid(*map(np.arange, native_shape), indexing="ij"))
    places = np.einsum("ij,jxyz->ixyz", there[:3, :3], indices) + there[:3, 3, None, None, None]
    seen = np.stack([map_coordinates(each, places, order=1, mode="nearest") for each in probabilities])
    answers = seen > 0.5 if regions else [seen.argmax(0) == number for number in (1, 2, 3)]
    expected = [slow_dice(*pair) for pair in zip(answers, task.masks(label), strict=True)]
    found = [row.value for row in rows if (row.space, row.metric) == ("native", "dice")]
    assert found == pytest.approx(expected, rel=1e-6)


def test_regions_overlap_and_labels_exclude_each_other(make_task, make_task_case, make_card):
    regions = {"whole": (1, 2, 4), "core": (1, 4), "enhancing": (4,)}
    card = make_card("segmentation", **CARDS["segmentation"], regions=regions)
    task, case = make_task("segmentation", card), make_task_case("segmentation")
    label = case.label()
    np.testing.assert_array_equal(task.masks(label), [label > 0, (label == 1) | (label == 4), label == 4])
    assert (task.out_channels, make_task("segmentation").out_channels) == (3, 4)

    def overlapping(volume):
        return torch.stack([volume[:, 0] - 3, volume[:, 0] - 5, volume[:, 0] - 7], 1)

    image = case.read()[0] / 10
    predicted = task.predict(lambda volume: overlapping(volume * 10), case, CPU)["probabilities"]
    np.testing.assert_array_equal(answered_masks(predicted, False), [image > 0.3, image > 0.5, image > 0.7])


def test_exclusive_classes_go_to_the_largest_output(make_task, make_task_case):
    task, case = make_task("segmentation"), make_task_case("segmentation")
    scores = torch.randn(1, 4, 1, 1, 1)
    winner = int(scores.argmax())
    answer = task.predict(lambda volume: scores.expand(len(volume), 4, *volume.shape[2:]).clone(), case, CPU)
    np.testing.assert_allclose(answer["probabilities"].sum(0), 1, rtol=1e-6)
    masks = answered_masks(answer["probabilities"], True)
    assert [bool(mask.all()) for mask in masks] == [winner == index for index in (1, 2, 3)]


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_much(make_task):
    task = make_task("segmentation", class_balance=0.0)
    masks = torch.zeros(1, 3, 4, 6, 5, dtype=torch.bool)
    masks[:, 0, :2], masks[:, 2, 3] = True, True
    background = ~masks.any(1, keepdim=True)
    perfect = torch.cat([background, masks], 1).float() * 60 - 30
    batch = {"image": torch.zeros(1, 1, 4, 6, 5), "masks": masks}
    good, bad = task.losses(lambda x: perfect, batch), task.losses(lambda x: -perfect, batch)
    assert good["ce"] < 1e-6 and good["dice"] < 0.3 < bad["dice"] and bad["ce"] > 10


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_class_weights(balance):
    onehot = torch.zeros(2, 3, 1, 1, 10)
    onehot[:, 0, ..., :9], onehot[:, 1, ..., 9] = 1, 1
    expected = [0.9**-balance, 0.1**-balance, 0.0]
    assert class_weights(onehot, balance).tolist() == pytest.approx(expected)


def test_quality_of_a_constant_error_has_a_closed_form():
    """Inside the mask the error is 0.1 everywhere; what is outside does not count for PSNR and NRMSE."""
    target = np.random.RandomState(0).uniform(0, 1, (9, 12, 10)).astype(np.float64)
    mask = np.zeros(target.shape, bool)
    mask[1:8, 2:9, 1:9] = True
    prediction = np.where(mask, target + 0.1, 77.0)
    scores = quality(prediction, target, mask, data_range=2.0)
    assert scores["psnr"] == pytest.approx(20 * np.log10(2.0 / 0.1))
    assert scores["nrmse"] == pytest.approx(0.1 / (target[mask].max() - target[mask].min()))
    assert quality(target, target, mask, 2.0)["ssim"] == pytest.approx(1.0)
    assert np.isnan(quality(prediction, np.ones_like(target), mask, 2.0)["nrmse"])


def test_an_untouched_input_scores_as_the_identity(make_task, make_task_case):
    task, case = make_task("reconstruction"), make_task_case("reconstruction")
    prediction = task.predict(torch.zeros_like, case, CPU)
    scores = {row.metric: row.value for row in task.score(prediction, case)}
    for name in ("psnr", "ssim", "nrmse"):
        assert scores[name] == pytest.approx(scores[f"{name}_identity"])


def test_translation_is_scored_where_the_input_is_not_zero(make_task, make_task_case):
    task, case = make_task("translation"), make_task_case("translation")
    volumes = case.read()
    answers = dict.fromkeys(CONTRASTS, np.clip(volumes / 10, 0, 1))
    rows = task.score(answers, case)
    ours, theirs = ([row for row in rows if row.metric.endswith("_upstream") == flag] for flag in (False, True))
    assert {row.n_voxels for row in ours} <= {int((volume != 0).sum()) for volume in volumes}
    assert {row.n_voxels for row in theirs} == {volumes[0].size}
    assert all(row.value == pytest.approx(1.0) for row in rows if row.metric == "ssim")
    assert all(row.value < 0.9 for row in rows if row.metric == "ssim_identity")


def test_translation_learns_inside_the_brain_only(make_task):
    target, mask = torch.ones(1, 3, 4, 5, 6), torch.zeros(1, 1, 4, 5, 6, dtype=torch.bool)
    mask[..., :2] = True
    answer = torch.where(mask, 3.0, 99.0).expand(1, 3, 4, 5, 6)
    batch = {"image": mask.float(), "target": target, "mask": mask}
    assert make_task("translation").losses(lambda x: answer, batch)["mse"] == pytest.approx(4.0)


def test_the_shuffled_control_gives_every_case_the_label_of_another(make_task_case):
    cases = [make_task_case("segmentation", name=name, seed=seed) for seed, name in enumerate("abc")]
    shuffled = shuffle_targets(cases, np.random.RandomState(0))
    assert [case.case_id for case in shuffled] == ["a", "b", "c"]
    own, given = [case.label_image for case in cases], [case.label_image for case in shuffled]
    assert sorted(given) == sorted(own)
    assert not any(before == after for before, after in zip(own, given, strict=True))


def test_rows_survive_their_file(tmp_path, make_task, make_task_case):
    task, case = make_task("classification"), make_task_case("classification", name="007")
    rows = task.score({"probabilities": np.array([0.25, 0.75])}, case)
    write_rows(tmp_path / "rows", rows)
    table = read_rows(tmp_path / "rows")
    assert list(table["case_id"]) == ["007"] * 4
    assert dict(zip(zip(table["class"], table["metric"], strict=True), table["value"], strict=True)) == {
        ("ill", "is_true"): 1.0,
        ("ill", "probability"): 0.75,
        ("well", "is_true"): 0.0,
        ("well", "probability"): 0.25,
    }


SHOWN = {
    "segmentation": {"image", "truth", "answer"},
    "classification": {"image", "probabilities", "true_class"},
    "reconstruction": {"input", "target", "answer"},
    "translation": {"input", "target", "answer"},
}


@pytest.mark.parametrize("kind", TASKS)
def test_an_example_is_one_slice_of_what_was_predicted(make_task, make_task_case, kind):
    task, case = make_task(kind), make_task_case(kind)
    perfect = {
        "segmentation": lambda: {"probabilities": one_hot(case.label(), task)},
        "classification": lambda: {"probabilities": np.array([0.3, 0.7], np.float32)},
        "reconstruction": lambda: {"low": read_scaled(case, ["full"], task.recipe.intensity)[0]},
        "translation": lambda: dict.fromkeys(CONTRASTS, read_scaled(case, CONTRASTS, task.recipe.intensity)),
    }
    example = task.example(perfect[kind](), case)
    assert example.case_id == case.case_id and example.panels.keys() == SHOWN[kind]
    if kind == "classification":
        assert example.panels["true_class"] == 1 and example.panels["image"].shape == SHAPE[:2]
        return
    reference = example.panels["truth" if kind == "segmentation" else "target"]
    assert reference.shape == SHAPE[:2] and reference.any()
    assert (example.panels["answer"] == reference).all()
    assert example.pair == {"reconstruction": "low", "translation": "t1>t2"}.get(kind, "")


def one_hot(label, task):
    masks = task.masks(label)
    return np.stack([~masks.any(0), *masks]).astype(np.float32)


def test_the_slice_of_a_segmentation_has_most_truth(make_task, make_case):
    volume, label = np.zeros((1, 40, 40, 9), np.float32), np.zeros((40, 40, 9), np.uint8)
    label[3:5, 4, 2], label[10:30, 10:30, 6] = 1, 4
    volume[0, ..., 6] = 5
    task, case = make_task("segmentation"), make_case(volume, label)
    example = task.example({"probabilities": one_hot(np.zeros_like(label), task)}, case)
    assert example.panels["truth"].tolist() == np.where(label[..., 6], 3, 0).tolist(), "4 is the third class"
    assert not example.panels["answer"].any()


def test_a_stack_of_pictures_stands_upright(make_task, make_task_case):
    """It has no world: its first row is the top, where a volume in RAS has the back."""
    task, case = make_task("classification"), make_task_case("classification")
    prediction = {"probabilities": np.array([0.3, 0.7], np.float32)}
    volume, stack = (task.example(prediction, each).panels["image"] for each in (case, replace(case, spacing_mm=None)))
    assert (stack == volume[::-1, ::-1]).all() and (stack != volume).any()
