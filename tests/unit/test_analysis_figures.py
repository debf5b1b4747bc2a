"""Figures of analyses show every token, point and snapshot that the analyses found, or say why there is none."""

import numpy as np
import pandas as pd
import pytest

from voxelbench import paths
from voxelbench.analysis.slices import write_slices
from voxelbench.errors import DataError
from voxelbench.figure_inputs import figure_data, figure_inputs, figure_settings
from voxelbench.report.figures.draw import draw, write_figure
from voxelbench.report.figures.request import Request

BUDGET, VOXELS, SHAPE = "demo", 8, (24, 16, 16)
ENCODERS = [("scratch", ""), ("s2dc", "code"), ("voco", "code")]
GATED = "gated: brats21 needs registration"


def identity(method, variant, dataset="btcv"):
    named = {"budget": BUDGET, "data": "phantom", "dataset": dataset, "corpus": "ct", "method": method}
    return {**named, "variant": variant, "encoder": "swin12-demo", "seed": 0}


def token_rows(rng, **named):
    """Return the tokens of a volume of 3 x 2 x 2, the fourth of them the anchor."""
    starts = np.indices([length // VOXELS for length in SHAPE]).reshape(3, -1).T * VOXELS
    cosines = rng.uniform(-1, 1, len(starts)).round(4)
    return [
        {
            **named,
            "x": x,
            "y": y,
            "z": z,
            "similarity": cosine,
            "share": 0.5,
            "holds": int(n < 4),
            "is_anchor": int(n == 3),
        }
        for n, ((x, y, z), cosine) in enumerate(zip(starts, cosines, strict=True))
    ]


def shown_slice(z):
    image = np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint8).reshape(SHAPE[:2])
    organ = np.zeros(SHAPE[:2], bool)
    organ[5:9, 3:8] = True
    return {"image": image, "organ": organ, "spacing_mm": np.array([2.0, 3.0]), "z": np.array(z)}


def write(analysis, slices=None, **tables):
    folder = paths.analysis(BUDGET, analysis)
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    if slices is not None:
        write_slices(folder / paths.SLICES, slices)


@pytest.fixture
def similarity(checkout):
    """Write an analysis of two scenes, of which the second is gated; return its tokens."""
    rng, tokens, scores = np.random.RandomState(0), [], []
    judged = {"n_tokens": 11, "n_holding": 3, "auc": 0.75, "precision": 0.5, "chance": 0.27, "sharpness": 2.5}
    for method, variant in ENCODERS:
        named = {"dataset": "btcv", "method": method, "variant": variant, "anchor": "liver"}
        tokens += token_rows(rng, **named)
        ok = {**judged, "token_voxels": VOXELS, "hidden": "", "status": "ok", "reason": ""}
        scores.append({**identity(method, variant), "anchor": "liver", **ok})
        gated = {"hidden": "", "status": "gated", "reason": GATED}
        scores.append({**identity(method, variant, "brats21"), "anchor": "WT", **gated})
    write("similarity", {"btcv/liver": shown_slice(z=12)}, scores=scores, tokens=tokens)
    return pd.DataFrame(tokens)


def picture(name):
    return draw(Request(name, figure_settings(name), BUDGET))


def texts(axes):
    return " ".join([*(text.get_text() for text in axes.texts), axes.get_xlabel(), axes.get_ylabel(), axes.get_title()])


def test_a_heatmap_has_every_token_that_its_slice_cuts_at_its_place(similarity):
    figure, numbers = picture("similarity")
    panels = figure.axes[: 2 * (1 + len(ENCODERS))]
    for axes, (method, _) in zip(panels[1:4], ENCODERS, strict=True):
        heat = axes.images[1]
        grid = heat.get_array()
        cut = similarity[(similarity["method"] == method) & (similarity["z"] == 8)]
        assert grid.shape == (2, 3) and heat.get_extent() == [0, 48, 0, 48]
        for token in cut.itertuples():
            assert grid[token.y // VOXELS, token.x // VOXELS] == token.similarity
        assert "AUC 0.75" in texts(axes) and "precision 0.50 (0.27)" in texts(axes)
    assert numbers["similarity"].notna().sum() == 3 * 6
    # The image is drawn from the patient's right to the left, as is the outline of the organ.
    assert panels[1].get_xlim() == (48, 0)


def test_the_anchor_is_marked_in_the_image_and_on_every_map(similarity):
    figure, _ = picture("similarity")
    (anchor,) = similarity.query("is_anchor == 1 and method == 'scratch'").itertuples()
    marks = [axes.patches for axes in figure.axes[:4]]
    assert [len(each) for each in marks] == [1, 1, 1, 1]
    assert {mark.get_xy() for (mark,) in marks} == {(2.0 * anchor.x, 3.0 * anchor.y)}


def test_a_gated_scene_says_its_reason_in_every_panel(similarity):
    for name, first in (("similarity", 5), ("distribution", 3)):
        figure, numbers = picture(name)
        panels = figure.axes[first : first + len(ENCODERS)]
        assert all(GATED in texts(axes).replace("\n", " ") for axes in panels)
        assert set(numbers.loc[numbers["dataset"] == "brats21", "reason"]) == {GATED}


def test_a_distribution_counts_every_token_but_the_anchor(similarity):
    figure, numbers = picture("distribution")
    counted = numbers[numbers["dataset"] == "btcv"].groupby("method")[["n_organ", "n_other"]].sum()
    assert counted.to_numpy().tolist() == [[3, 8]] * 3
    for axes in figure.axes[: len(ENCODERS)]:
        filled, line = axes.patches
        assert filled.get_data().values.sum() == pytest.approx(1) == line.get_data().values.sum()


def test_a_map_of_organs_has_every_point_and_its_scores(checkout):
    rng = np.random.RandomState(0)
    scores = [
        {**identity(*encoder), "n_cases": 4, "n_points": 12, "n_organs": 3, "silhouette": -0.25, "purity": 0.5}
        | {"chance": 0.27, "neighbours": 5, "status": "ok", "reason": ""}
        for encoder in ENCODERS
    ]
    points = [
        {"dataset": "btcv", "method": method, "variant": variant, "case_id": f"c{case}", "organ": organ}
        | dict(zip("xy", rng.normal(size=2).round(4), strict=True))
        for method, variant in ENCODERS
        for case in range(4)
        for organ in ("liver", "spleen", "aorta")
    ]
    write("organs", scores=scores, points=points)
    figure, numbers = picture("tsne")
    assert len(numbers) == len(points)
    for axes, (method, _) in zip(figure.axes, ENCODERS, strict=False):
        drawn = np.concatenate([line.get_xydata() for line in axes.lines])
        expected = [(point["x"], point["y"]) for point in points if point["method"] == method]
        assert sorted(map(tuple, drawn)) == sorted(expected)
        assert "silhouette -0.25, purity 0.50 (0.27)" in texts(axes) and "n = 12: 3 organs, 4 cases" in texts(axes)
    legend = figure.axes[len(ENCODERS)].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["liver", "spleen", "aorta"]


@pytest.fixture
def evolution(checkout):
    rng, steps = np.random.RandomState(0), (0, 4, 16)
    scores, tokens = [], []
    for method, variant in ENCODERS[1:]:
        for step in steps:
            found = {"n_anchors": 20, "accuracy": rng.uniform(), "chance": 0.1, "auc": rng.uniform(), "n_cases": 3}
            seen = {"token_voxels": VOXELS, "hidden": "", "status": "ok", "reason": ""}
            scores.append({**identity(method, variant), "step": step, **found, **seen})
            tokens += token_rows(rng, dataset="btcv", method=method, variant=variant, step=step, anchor="liver")
    first, other = {**shown_slice(4), "token": np.array([8, 0, 0])}, {**shown_slice(12), "token": np.array([8, 8, 8])}
    write("evolution", {"btcv/liver/first": first, "btcv/liver/other": other}, scores=scores, tokens=tokens)
    return pd.DataFrame(scores)


def test_evolution_has_a_map_and_a_mark_on_both_curves_for_every_snapshot(evolution):
    figure, _ = picture("evolution")
    heats = [axes for axes in figure.axes if len(axes.images) == 2]
    assert len(heats) == len(evolution)
    curves = [axes for axes in figure.axes if axes.get_xlabel() == "step of pretraining"]
    for axes, name in zip(curves, ("accuracy", "auc"), strict=True):
        lines = axes.lines[: len(ENCODERS) - 1]
        for line, (method, _) in zip(lines, ENCODERS[1:], strict=True):
            own = evolution[evolution["method"] == method]
            np.testing.assert_allclose(line.get_xydata(), own[["step", name]])
        assert "n = 20" in axes.get_title(loc="left")


def test_a_picture_of_an_analysis_is_written_with_equal_bytes(similarity):
    files = [paths.figure(BUDGET, "similarity", suffix) for suffix in (".png", ".svg", ".csv")]
    written = []
    for _ in range(2):
        write_figure("similarity", BUDGET)
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    assert figure_data(figure_settings("similarity"), BUDGET) == "phantom"
    assert all(path.is_file() for path in figure_inputs("similarity", BUDGET))


def test_an_analysis_that_was_not_done_is_one_sentence(checkout):
    with pytest.raises(DataError) as caught:
        picture("tsne")
    assert str(caught.value) == (
        "results/demo/analysis/organs/scores.csv: there is nothing to draw yet; run "
        "`voxelbench analyse organs --budget demo`."
    )


def test_evolution_of_gated_data_says_its_reason(checkout):
    rows = [{**identity(*encoder), "status": "gated", "reason": GATED} for encoder in ENCODERS[1:]]
    columns = ["step", "n_anchors", "accuracy", "chance", "auc", "n_cases", "token_voxels", "hidden"]
    tokens = pd.DataFrame(columns=["dataset", "method", "variant", "step", "anchor", "x", "y", "z", "similarity"])
    write("evolution", {}, scores=[dict.fromkeys(columns) | row for row in rows], tokens=tokens)
    figure, _ = picture("evolution")
    assert [GATED in texts(axes).replace("\n", " ") for axes in figure.axes] == [True, True]
