"""A probe reads frozen tokens, labels each with the organs it holds, and tells informative features from noise."""

import json

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional

from voxelbench import paths, registry
from voxelbench.config import read_encoder
from voxelbench.data.case import read_cases
from voxelbench.data.source import write_twin
from voxelbench.encoders.backbone import PARTS, Encoder
from voxelbench.encoders.build import build
from voxelbench.errors import ConfigError, DataError
from voxelbench.evaluate.rows import read_rows
from voxelbench.evaluate.run import evaluate
from voxelbench.evaluate.token_probe import fit, frozen_trunk, score
from voxelbench.evaluate.tokens import Tokens, encode, read_tokens, token_shares
from voxelbench.expand import eval_manifest
from voxelbench.method import BEFORE_TRAINING, seed_torch
from voxelbench.recipes import TokenProbeRecipe
from voxelbench.resolve import eval_spec
from voxelbench.runs import NO_CORPUS, RANDOM, EvalRun, PretrainRun
from voxelbench.settings import IntensityRule

CLASSES = {"liver": (6,), "kidneys": (2, 3)}


class BlockMeans(Encoder):
    """An encoder whose tokens are the means of blocks."""

    strides = (2, 4)

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, volume):
        return tuple(functional.avg_pool3d(self.weight * volume, stride) for stride in self.strides)


def recipe(**changes):
    facts = {
        "grid": "native",
        "crop": (4, 4, 4),
        "intensity": (IntensityRule(kind="window", low=0, high=1),),
        "stride": 2,
        "min_share": 0.125,
        "min_tokens": 5,
        "inverse_regularisation": 1.0,
        "max_iterations": 1000,
    }
    return TokenProbeRecipe.model_validate(facts | changes)


@pytest.fixture
def make_run(checkout):
    """Return a function that makes a run of the random encoder on a coarse twin of BTCV."""
    budget = checkout / "config" / "budgets" / "coarse.yaml"
    settings = {"grid": 14.0, "crop": [32, 32, 32], "stride": 8, "min_tokens": 2}
    budget.write_text(yaml.safe_dump({"extends": "demo", "recipes": {"token_probe": {"settings": settings}}}))

    def make(seed=0, task="segmentation", dataset="btcv"):
        pretrain = PretrainRun("coarse", NO_CORPUS, RANDOM, "swin12-demo", seed)
        return EvalRun(dataset, task, 0, pretrain, protocol="token_probe")

    return make


def test_a_token_is_labelled_by_the_share_of_its_volume():
    masks = np.zeros((2, 4, 2, 6), bool)
    masks[0, :2, :, 2:4] = True
    masks[0, 0, 0, 0] = True
    masks[1, 3, 1, 5] = True
    shares = token_shares(masks, 2)
    assert shares[:, 0].tolist() == [0.125, 1, 0, 0, 0, 0]
    assert shares[:, 1].tolist() == [0, 0, 0, 0, 0, 0.125]


@pytest.mark.parametrize("stride", [*BlockMeans.strides, 8])
def test_labels_and_tokens_are_in_one_order(stride):
    """The stride 8 has no map of its own: its tokens are means over the map at stride 4."""
    mask = np.random.RandomState(0).uniform(size=(1, 16, 8, 24)) < 0.5
    features = encode(BlockMeans(), mask.astype(np.float32), stride)
    np.testing.assert_allclose(features, token_shares(mask, stride), atol=1e-6)


def test_tokens_tile_a_case_and_those_mostly_outside_are_left_out(make_case):
    """7 x 4 x 5 voxels, crops of 4, tokens of 2: the last token in x, or in z, is half inside, in both a quarter."""
    volume, label = (
        np.random.RandomState(0).uniform(size=(1, 7, 4, 5)).astype(np.float32),
        np.zeros((7, 4, 5), np.uint8),
    )
    label[6, 0, 0], label[0, 3, 4], label[2:4, :2, :2] = 6, 3, 2
    tokens = read_tokens(BlockMeans(), make_case(volume, label), ("ct",), CLASSES, recipe())
    assert tokens.features.shape == (4 * 2 * 3 - 2, 1) and tokens.holds.shape == (4 * 2 * 3 - 2, 2)
    assert tokens.holds.sum(0).tolist() == [1, 2]
    kidneys = [volume[0, 2:4, :2, :2].mean(), volume[0, :2, 2:4, 4].mean()]
    np.testing.assert_allclose(tokens.features[tokens.holds[:, 1], 0], kidneys, rtol=1e-6)
    fewer = read_tokens(BlockMeans(), make_case(volume, label), ("ct",), CLASSES, recipe(min_share=0.2))
    assert fewer.holds.sum(0).tolist() == [0, 1]


def test_a_probe_tells_informative_features_from_noise(make_case):
    rng, case = np.random.RandomState(0), make_case(np.zeros((1, 2, 2, 2), np.float32))
    holds = rng.uniform(size=(2000, 2)) < 0.3
    features = rng.normal(size=(2000, 8)).astype(np.float32)
    # The first class shifts one feature, faint beside another of large scale; the second one leaves no trace.
    features[:, 3] += 8 * holds[:, 0]
    features[:, 5] *= 1e4
    fitted = fit(Tokens(features[:1000], holds[:1000]), recipe())
    liver, kidneys = score(fitted, Tokens(features[1000:], holds[1000:]), case, list(CLASSES))
    assert liver.value > 0.99 and kidneys.value == pytest.approx(0.5, abs=0.06)
    assert liver.item == "liver" and liver.n_voxels == holds[1000:, 0].sum() and liver.case_id == case.case_id


def test_a_class_that_too_few_tokens_hold_or_lack_is_left_out_and_an_absent_one_has_no_value(make_case):
    rng = np.random.RandomState(0)
    holds = np.zeros((40, 4), bool)
    holds[:4, 0], holds[:5, 1], holds[:35, 2], holds[:36, 3] = True, True, True, True
    fitted = fit(Tokens(rng.normal(size=(40, 3)), holds), recipe(min_tokens=5))
    assert set(fitted) == {1, 2}
    tested = Tokens(rng.normal(size=(6, 3)), np.array([[True, False, True, True]] * 5 + [[False, False, False, True]]))
    rows = score(fitted, tested, make_case(np.zeros((1, 2, 2, 2), np.float32)), ["a", "b", "c", "d"])
    assert [row.item for row in rows] == ["c"]


def test_too_few_tokens_for_any_class_are_refused():
    tokens = Tokens(np.zeros((9, 3)), np.eye(9, 2, dtype=bool))
    with pytest.raises(DataError, match="no class is in 5 of 9 training tokens and absent from as many; lower"):
        fit(tokens, recipe(min_tokens=5))


def test_the_random_encoder_is_what_a_method_of_that_seed_starts_from_and_stays_so(make_run):
    spec = eval_spec(make_run(seed=3))
    trunk, origin = frozen_trunk(spec, None)
    seed_torch(3, BEFORE_TRAINING)
    start = build(read_encoder("swin12-demo"), 1, PARTS).trunk.state_dict()
    encode(trunk, np.random.RandomState(0).uniform(size=(1, 32, 64, 32)).astype(np.float32), 32)
    assert origin == {"trunk": "random"} and not trunk.training
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    assert all(torch.equal(tensor, start[name]) for name, tensor in trunk.state_dict().items())


def test_a_stride_that_no_map_divides_is_refused():
    with pytest.raises(ConfigError) as caught:
        encode(BlockMeans(), np.zeros((1, 9, 9, 9), np.float32), 9)
    assert str(caught.value) == (
        "the token_probe recipe has stride 9, but the encoder's maps have strides 2, 4; set a multiple of one of them."
    )


def test_a_crop_holds_whole_tokens():
    with pytest.raises(
        ValueError, match=r"crop \(4, 6, 4\) does not hold whole tokens; make it a multiple of stride 4"
    ):
        recipe(crop=(4, 6, 4), stride=4)


def test_a_task_without_labelled_voxels_is_refused(make_run):
    with pytest.raises(ConfigError) as caught:
        eval_spec(make_run(dataset="adni", task="classification"))
    assert str(caught.value) == ("adni, classification: a token probe needs labelled voxels; name a segmentation task.")


def test_equal_seeds_give_equal_bytes_and_a_run_says_what_it_left_out(make_run, checkout):
    manifest = eval_manifest(make_run())
    plugin, card = registry.load_dataset("btcv"), registry.dataset_card("btcv")
    write_twin("btcv", checkout / "raw")
    plugin.prepare(checkout / "raw", manifest.parent, card, 14.0)
    written = []
    for run in (make_run(0), make_run(0), make_run(1)):
        evaluate(run)
        written.append((run.folder() / paths.CASES).read_bytes())
    assert written[0] == written[1] != written[2]

    rows, record = read_rows(run.folder() / paths.CASES), json.loads((run.folder() / paths.RUN).read_text())
    assert set(rows["metric"]) == {"token_auc"} and set(rows["space"]) == {"tokens"}
    assert rows["case_id"].nunique() == record["n_test"] == card.twin.test
    assert rows["value"].between(0, 1).all() and rows["value"].mean() > 0.6
    assert set(rows["class"]) | set(record["left_out"]) == set(card.labels.values()) - {"background"}
    assert record["n_train_tokens"] > len(read_cases(manifest))
