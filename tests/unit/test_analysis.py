"""Analyses find what was planted in tokens, chance where nothing was, and say what is missing."""

import numpy as np
import pandas as pd
import pytest
import yaml

from voxelbench import config, paths, registry
from voxelbench.analysis import evolution, organs
from voxelbench.analysis.evolution import correspondence
from voxelbench.analysis.plan import analysis_inputs, analysis_settings, check_scene, scene_runs
from voxelbench.analysis.reading import read_scene
from voxelbench.analysis.run import analyse
from voxelbench.analysis.separation import separation
from voxelbench.analysis.similarity import anchor_of, cosines, tell
from voxelbench.analysis.slices import why_hidden, write_slices
from voxelbench.data.source import write_twin
from voxelbench.encoders.build import build
from voxelbench.encoders.publish import publish
from voxelbench.errors import ConfigError, DataError
from voxelbench.evaluate.tokens import PlacedTokens
from voxelbench.method import BEFORE_TRAINING, seed_torch

N_ORGANS = 4


def placed(features, organs, n_organs=N_ORGANS):
    """Return tokens that each lie wholly in one organ; -1 is none."""
    shares = (np.asarray(organs)[:, None] == np.arange(n_organs)).astype(float)
    starts = np.stack([8 * np.arange(len(shares))] * 3, axis=1)
    return PlacedTokens(np.asarray(features, np.float32), shares, starts)


def planted(rng, n_tokens=100):
    """Return tokens whose feature is their organ, one-hot, and those of no organ a feature of their own."""
    labels = rng.randint(-1, N_ORGANS, n_tokens)
    return placed(np.eye(N_ORGANS + 1)[labels], labels)


def noise(rng, n_tokens=100):
    return placed(rng.normal(size=(n_tokens, 16)), rng.randint(-1, N_ORGANS, n_tokens))


def test_the_anchor_is_the_first_token_of_which_the_organ_covers_most():
    tokens = placed(np.zeros((4, 2)), [0, 1, 1, -1])
    tokens.shares[1:3, 1] = 0.5, 0.9
    assert anchor_of(tokens, 1) == 2 and anchor_of(tokens, 0) == 0 and anchor_of(tokens, 3) is None
    tokens.shares[1, 1] = 0.9
    assert anchor_of(tokens, 1) == 1


def test_cosines_ignore_length_and_are_0_for_a_feature_without_one():
    features = np.array([[3.0, 0], [0.1, 0.1], [-2, 0], [0, 0]])
    np.testing.assert_allclose(cosines(features, np.array([7.0, 0])), [1, 0.5**0.5, -1, 0])


def test_planted_organs_are_told_without_error_and_noise_at_chance():
    tokens = planted(np.random.RandomState(0))
    anchor = anchor_of(tokens, 2)
    similarity = cosines(tokens.features, tokens.features[anchor])
    holds = tokens.shares[:, 2] >= 0.5
    assert similarity[holds].tolist() == [1.0] * holds.sum() and not similarity[~holds].any()
    told = tell(similarity, holds)
    assert (told.auc, told.precision) == (1, 1) and told.chance == holds.mean()

    rng = np.random.RandomState(1)
    guessed = [tell(rng.normal(size=300), rng.uniform(size=300) < 0.2) for _ in range(40)]
    assert np.mean([each.auc for each in guessed]) == pytest.approx(0.5, abs=0.02)
    assert np.mean([each.precision for each in guessed]) == pytest.approx(0.2, abs=0.03)


def test_sharpness_is_how_far_the_best_match_stands_out():
    similarity = np.array([0.9, 0.1, 0.2, 0.4])
    expected = (0.9 - similarity.mean()) / similarity.std(ddof=1)
    assert tell(similarity, np.array([True, False, False, False])).sharpness == pytest.approx(expected)


def test_an_organ_that_every_token_holds_has_no_auc():
    assert np.isnan(tell(np.array([0.1, 0.2, 0.3]), np.ones(3, bool)).auc)


def test_planted_organs_lie_apart_and_noise_does_not():
    rng = np.random.RandomState(0)
    names = np.repeat(["a", "b", "c", "d", "e"], 8)
    apart = separation(np.repeat(np.eye(5), 8, axis=0) + 1e-3 * rng.normal(size=(40, 5)), names, 7)
    assert apart.purity == 1 and apart.silhouette > 0.99 and (apart.n_points, apart.n_organs) == (40, 5)
    mixed = [separation(rng.normal(size=(40, 16)), names, 7) for _ in range(30)]
    assert np.mean([each.purity for each in mixed]) == pytest.approx(mixed[0].chance, abs=0.02)
    assert mixed[0].chance == pytest.approx(7 / 39) and np.mean([each.silhouette for each in mixed]) < 0.01


def test_no_point_is_its_own_neighbour():
    """Each organ has one point at each of two far places: the nearest other point is of the other organ."""
    features = np.array([[1, 0], [1, 0.001], [0, 1], [0.001, 1]])
    assert separation(features, np.array(["a", "b", "a", "b"]), 1).purity == 0


def test_too_few_points_for_the_neighbours_are_refused():
    with pytest.raises(DataError, match="4 points of 2 organs cannot be told apart by 4 neighbours; lower"):
        separation(np.eye(4), np.array(["a", "a", "b", "b"]), 4)


def test_the_feature_of_an_organ_is_the_mean_of_its_tokens_by_volume():
    tokens = placed([[1, 0], [0, 1], [5, 5]], [0, 0, -1], n_organs=2)
    tokens.shares[1, 0] = 0.25
    means, is_there = organs.organ_features(tokens)
    np.testing.assert_allclose(means[0], [0.8, 0.2])
    assert is_there.tolist() == [True, False]


def test_planted_organs_correspond_in_every_case_and_noise_at_chance():
    rng = np.random.RandomState(0)
    found = correspondence([planted(rng) for _ in range(3)], 0.5)
    assert (found.accuracy, found.auc) == (1, 1) and found.n_anchors == 3 * 2 * N_ORGANS
    by_chance = correspondence([noise(rng) for _ in range(8)], 0.5)
    assert by_chance.accuracy == pytest.approx(by_chance.chance, abs=0.05)
    assert by_chance.auc == pytest.approx(0.5, abs=0.02) and by_chance.chance == pytest.approx(0.2, abs=0.02)


def test_an_organ_that_the_other_case_lacks_is_no_question():
    first, other = placed(np.eye(3), [0, 1, -1]), placed(np.eye(3), [0, 2, -1])
    assert correspondence([first, other], 0.5).n_anchors == 2
    with pytest.raises(DataError, match="no organ is held by a token in two of the cases"):
        correspondence([first, placed(np.eye(3), [2, 3, -1])], 0.5)


@pytest.mark.parametrize(
    ("data", "redistribute", "is_shown"),
    [("phantom", "no", True), ("real", "under CC BY 4.0", True), ("real", "yes", True), ("real", "no, nor a", False)],
)
def test_a_real_slice_is_shown_only_where_its_card_lets_it_be_passed_on(make_card, data, redistribute, is_shown):
    reason = why_hidden(make_card(redistribute=redistribute), data)
    assert reason == ("" if is_shown else f"no picture: toy may not be passed on ({redistribute})")


def test_equal_slices_are_equal_bytes(tmp_path):
    shown = {"btcv/liver": {"image": np.arange(6, dtype=np.uint8).reshape(2, 3), "z": np.array(4)}}
    for name in ("a.npz", "b.npz"):
        write_slices(tmp_path / name, shown)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert np.load(tmp_path / "a.npz")["btcv/liver/image"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.fixture
def coarse(checkout):
    """Return a checkout whose budget `coarse` reads a coarse twin of BTCV, with an analysis of each kind."""
    settings = {"grid": 14.0, "crop": [32, 32, 32], "stride": 8, "min_share": 0.05}
    budget = {"extends": "demo", "recipes": {"token_probe": {"settings": settings}}}
    (checkout / "config" / "budgets" / "coarse.yaml").write_text(yaml.safe_dump(budget))
    file = checkout / "config" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    content["analyses"]["similarity"] |= {
        "methods": ["scratch"],
        "scenes": content["analyses"]["similarity"]["scenes"][:1],
    }
    content["analyses"]["organs"]["methods"] = ["scratch"]
    content["analyses"]["evolution"] |= {"methods": ["scratch", "s2dc.code"], "n_cases": 2}
    file.write_text(yaml.safe_dump(content))
    config.read_config.cache_clear()
    return checkout


@pytest.fixture
def prepared(coarse):
    (manifest,) = analysis_inputs("organs", "coarse")
    write_twin("btcv", coarse / "raw")
    registry.load_dataset("btcv").prepare(coarse / "raw", manifest.parent, registry.dataset_card("btcv"), 14.0)
    return coarse


def s2dc_readings():
    settings = analysis_settings("evolution")
    return [
        read_scene(run, settings.scene)
        for run in scene_runs(settings, settings.scene, "coarse")
        if run.pretrain.method.name == "s2dc"
    ]


def test_an_analysis_of_a_prepared_twin_gives_equal_bytes_and_every_token_and_point(prepared):
    found = []
    for _ in range(2):
        analyse("similarity", "coarse")
        analyse("organs", "coarse")
        folders = [paths.analysis("coarse", name) for name in ("similarity", "organs")]
        found.append([path.read_bytes() for folder in folders for path in sorted(folder.iterdir())])
    assert found[0] == found[1] and len(found[0]) == 5

    scores, tokens = (pd.read_csv(folders[0] / name) for name in (paths.SCORES, paths.TOKENS))
    assert scores["anchor"].tolist() == ["liver", "spleen"] and set(scores["data"]) == {"phantom"}
    assert tokens.groupby("anchor")["is_anchor"].sum().tolist() == [1, 1]
    assert tokens.groupby("anchor").size().tolist() == (scores["n_tokens"] + 1).tolist()
    assert tokens.loc[tokens["is_anchor"] == 1, "similarity"].tolist() == [1.0, 1.0]
    slices = np.load(folders[0] / paths.SLICES)
    assert slices["btcv/liver/image"].shape == slices["btcv/liver/organ"].shape and slices["btcv/liver/organ"].any()

    measured, points = (pd.read_csv(folders[1] / name) for name in (paths.SCORES, paths.POINTS))
    n_cases = registry.dataset_card("btcv").twin.test
    assert measured["n_points"].tolist() == [len(points)] and points["case_id"].nunique() == n_cases
    assert measured["purity"].between(0, 1).all() and len(points) > 10 * n_cases

    publish_snapshots(*s2dc_readings())
    analyse("evolution", "coarse")
    folder = paths.analysis("coarse", "evolution")
    steps, maps = (pd.read_csv(folder / name) for name in (paths.SCORES, paths.TOKENS))
    assert steps["step"].tolist() == [0, 4, 8, 12, 16] and maps.groupby("step").size().nunique() == 1
    assert steps["auc"][1] == steps["auc"][0] != steps["auc"][2] == steps["auc"][4]
    assert set(maps["step"]) == set(steps["step"])


def publish_snapshots(reading):
    """Publish, as snapshots of a run, the random start and three times another one."""
    pretrain = reading.run.pretrain
    for number, step in enumerate(evolution.snapshot_steps(reading)):
        seed_torch(min(number, 1), BEFORE_TRAINING)
        publish(build(reading.spec.preset, 1, ()), paths.snapshot(pretrain.folder(), step))


def test_a_missing_snapshot_is_one_sentence(coarse):
    (reading,) = s2dc_readings()
    folder = reading.run.pretrain.folder()
    missing = paths.snapshot(folder, 4)
    with pytest.raises(DataError) as caught:
        reading.tokens(missing)
    assert str(caught.value) == (
        f"{missing}: no such weights; delete {folder} and pretrain s2dc.code again (the run is missing, or older than "
        "the `snapshots` of its method's config)."
    )


def test_an_unknown_analysis_channel_or_anchor_is_named(coarse):
    with pytest.raises(ConfigError, match=r"declares no analysis 'organ'. Did you mean 'organs'\?"):
        analysis_settings("organ")
    scene = analysis_settings("evolution").scene
    with pytest.raises(ConfigError, match=r"btcv has no channel 'ctt'. Did you mean 'ct'\?"):
        check_scene(scene.model_copy(update={"channel": "ctt"}))
    with pytest.raises(ConfigError, match=r"btcv has no anchor 'lever'. Did you mean 'liver'\?"):
        check_scene(scene, ("lever",))


def test_a_gated_scene_keeps_its_reason(coarse):
    settings = analysis_settings("organs")
    (run,) = scene_runs(settings, settings.scene, "full")
    assert read_scene(run, settings.scene).reason.startswith("gated: btcv needs registration")
    analyse("organs", "full")
    scores = pd.read_csv(paths.analysis("full", "organs") / paths.SCORES)
    assert scores["status"].tolist() == ["gated"] and scores["purity"].isna().all()
    assert analysis_inputs("organs", "full") == []
