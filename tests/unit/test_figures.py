"""Figures show their data and nothing else: marks, whiskers and labels are compared with the numbers beside them."""

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.container import ErrorbarContainer

from voxelbench import config, figure_inputs, paths
from voxelbench.atomic import write_text
from voxelbench.errors import ConfigError
from voxelbench.expand import table_runs
from voxelbench.figure_inputs import figure_caption, figure_names, figure_settings
from voxelbench.figure_settings import KINDS
from voxelbench.report.figures.bars import STAR
from voxelbench.report.figures.draw import draw, write_figure
from voxelbench.report.figures.kinds import DRAWN_BY
from voxelbench.report.figures.request import Request
from voxelbench.report.place import place

METHODS = ["scratch", "s2dc.code", "voco.code"]
SPLEEN = {"dataset": "msd_spleen", "task": "segmentation"}
CCII = {"dataset": "cc_ccii", "task": "classification"}
TABLES = {
    "table1": {
        "title": "Two datasets",
        "average": True,
        "columns": [{"name": "spleen", **SPLEEN}, {"name": "ccii", **CCII}],
    },
    "shares": {
        "title": "Shares",
        "columns": [{"name": "ccii_10", "fraction": 0.1, **CCII}, {"name": "ccii_100", **CCII}],
    },
    "probe": {
        "title": "Probe",
        "protocol": "token_probe",
        "methods": ["scratch", "s2dc.code"],
        "columns": [{"name": "spleen", **SPLEEN}],
    },
}
FIGURES = {
    "shares": {"kind": "label_fractions", "table": "shares"},
    "cost": {"kind": "cost_quality", "table": "table1"},
    "ranks": {"kind": "critical_difference", "table": "table1", "title": "Ranks"},
    "pretraining": {"kind": "training", "table": "table1", "stage": "pretrain", "n_points": 3},
    "finetuning": {"kind": "training", "table": "table1", "stage": "finetune"},
}


@pytest.fixture(autouse=True)
def project(checkout):
    """Return a checkout with three small tables and five figures."""
    file = checkout / "config" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**content, "methods": METHODS, "tables": TABLES, "figures": FIGURES, "site": {}}))
    return checkout


def configure(**changes):
    file = paths.config_file()
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **changes}))
    config.read_config.cache_clear()


def write_csv(path, rows):
    write_text(path, pd.DataFrame(rows).to_csv(index=False))


def row(method, *cells, encoder="swin12-demo", notes="", **more):
    """Return a table's row; a cell is its column and then value, low, high and group."""
    name, _, variant = method.partition(".")
    found = {"method": name, "variant": variant, "encoder": encoder, "notes": notes, **more}
    for column, *numbers in cells:
        found |= dict(zip((column, f"{column}_low", f"{column}_high", f"{column}_group"), numbers, strict=True))
        found[f"{column}_n"] = 6
    return found


def write_table1(budget="demo"):
    nan = np.nan
    rows = [
        row("scratch", ("spleen", 50.0, 40.0, 60.0, 2), ("ccii", 70.0, nan, nan, 1), average=60.0),
        row("s2dc.code", ("spleen", 80.0, 75.0, 88.0, 1), ("ccii", 60.0, 50.0, 75.0, 1), average=70.0),
        row("voco.code", ("spleen", nan, nan, nan, nan), ("ccii", 65.0, 60.0, 70.0, 1), average=nan),
    ]
    rows[2]["notes"] = "ccii: contamination unknown | spleen: failed: total loss is nan at step 3."
    write_csv(paths.table(budget, "table1"), rows)


def drawn(name, budget="demo"):
    """Return the axes of a figure and its numbers, laid out, and with nothing cut at its edges."""
    figure, numbers = draw(Request(name, figure_settings(name), budget))
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    for part in (*figure.axes, *figure.texts, *figure.legends):
        box = part.get_tightbbox() if part in figure.axes else part.get_window_extent()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1, part
    return figure.axes, numbers


def texts(axes):
    return [text.get_text() for text in axes.texts]


def whiskers(axes):
    """Return the ends of each horizontal whisker of an axes."""
    bars = [each for each in axes.containers if isinstance(each, ErrorbarContainer) and each.has_xerr]
    return [tuple(bar.lines[2][0].get_segments()[0][:, 0]) for bar in bars]


def legend(axes):
    return [text.get_text() for each in axes.get_figure().legends for text in each.get_texts()]


def test_bars_and_whiskers_are_the_numbers_of_the_table():
    write_table1()
    (spleen, ccii, average), numbers = drawn("overall")
    assert [bar.get_width() for bar in spleen.patches] == [50, 80] and whiskers(spleen) == [(40, 60), (75, 88)]
    assert [bar.get_width() for bar in ccii.patches] == [70, 60, 65] and whiskers(ccii) == [(50, 75), (60, 70)]
    assert [bar.get_width() for bar in average.patches] == [60, 70] and whiskers(average) == []
    assert [label.get_text() for label in spleen.get_yticklabels()] == METHODS
    assert [axes.get_title(loc="left") for axes in (spleen, average)] == ["spleen: dice", "average"]
    assert numbers["value"].dropna().tolist() == [50, 80, 70, 60, 65, 60, 70] and len(numbers) == 9
    assert set(numbers["budget"]) == {"demo"} and set(numbers["data"]) == {"phantom"}


def test_a_star_marks_who_ties_with_the_best_unless_all_do():
    write_table1()
    (spleen, ccii, _), _ = drawn("overall")
    assert texts(spleen)[:2] == ["50.0", f"80.0 {STAR}"]
    assert not any(STAR in text for text in texts(ccii)) and ccii.get_title(loc="left") == "ccii: accuracy, all tie"


def test_an_empty_cell_shows_its_reason():
    write_table1()
    (spleen, _, average), numbers = drawn("overall")
    assert texts(spleen)[2] == "failed: total loss is …" and texts(average)[2] == "a column is empty"
    empty = numbers[numbers["value"].isna()].set_index("panel")["reason"]
    assert empty["spleen"] == "failed: total loss is nan at step 3." and numbers["reason"].ne("").sum() == 2


def test_gains_of_probes_have_panels_of_their_own():
    rows = [
        row("scratch", ("spleen", 60.0, 55.0, 65.0, 1), ("spleen_gain", np.nan, np.nan, np.nan, np.nan)),
        row("s2dc.code", ("spleen", 70.0, 66.0, 74.0, 1), ("spleen_gain", -10.0, -16.0, -4.0, np.nan)),
    ]
    write_csv(paths.table("demo", "probe"), rows)
    (scores, gains), _ = drawn("probe")
    assert [(bar.get_x(), bar.get_width()) for bar in scores.patches] == [(50, 10), (50, 20)]  # chance is 50
    assert [(bar.get_x(), bar.get_width()) for bar in gains.patches] == [(0, -10)]
    assert texts(gains) == ["the random start", "-10.0"] and whiskers(gains) == [(-16, -4)]


def test_one_row_with_a_long_name_is_not_cut():
    configure(tables={"table1": {**TABLES["table1"], "columns": [{"name": "a_column_of_a_long_name", **SPLEEN}]}})
    cell = ("a_column_of_a_long_name", 50.0, 40.0, 60.0, 1)
    rows = [row("a_method_nobody_knows.code", cell, encoder=f"{'long-' * 5}{letter}", average=50.0) for letter in "ab"]
    for some in (rows[:1], rows):
        write_csv(paths.table("demo", "table1"), some)
        axes, _ = drawn("overall")
        assert len(axes[0].patches) == len(some)
    assert axes[0].get_yticklabels()[1].get_text() == "a_method_nobody_knows.code in long-long-long-long-long-b"


def test_a_second_drawing_has_the_same_bytes_and_its_text_is_text():
    write_table1()
    files = [paths.figure("demo", "overall", suffix) for suffix in (".png", ".svg", ".csv")]
    write_figure("overall", None)
    first = [file.read_bytes() for file in files]
    write_figure("overall", None)
    assert [file.read_bytes() for file in files] == first
    svg = files[1].read_text()
    for said in (*METHODS, "Two datasets", "Budget demo on phantoms (synthetic twins): ranks no method."):
        assert f">{said}" in svg
    assert "<dc:date>" not in svg
    written = pd.read_csv(files[2])
    assert written["value"].dropna().tolist() == [50, 80, 70, 60, 65, 60, 70]


def test_a_figure_is_placed_for_the_budget_of_its_table():
    configure(tables={**TABLES, "table1": {**TABLES["table1"], "budget": "learn"}})
    write_table1("learn")
    write_figure("overall", None)
    place("figures/overall", None, force=False)
    placed = [paths.placed("figures/overall", suffix) for suffix in (".png", ".svg", ".csv")]
    made = [paths.figure("learn", "overall", suffix) for suffix in (".png", ".svg", ".csv")]
    assert [file.read_bytes() for file in placed] == [file.read_bytes() for file in made]


def write_shares(budget):
    rows = [
        row("scratch", ("ccii_10", 40.0, 30.0, 50.0, 1), ("ccii_100", 60.0, 55.0, 70.0, 1)),
        row("s2dc.code", ("ccii_10", 45.0, np.nan, np.nan, 1), ("ccii_100", np.nan, np.nan, np.nan, np.nan)),
    ]
    rows[1]["notes"] = "ccii_100: not run"
    write_csv(paths.table(budget, "shares"), rows)
    stated = {"item": "all", "statistic": "mean", "metric": "accuracy", "method": "s2dc", "source": "a paper", **CCII}
    stated |= {"variant": "", "encoder": "", "low": "", "high": ""}
    other = {**stated, "method": "swinmm"}
    write_csv(paths.published_leaderboard(), [{**each, "fraction": 0.1, "value": 88.0} for each in (stated, other)])


def test_curves_over_shares_of_labels_are_the_table():
    write_shares("demo")
    (axes,), numbers = drawn("shares")
    curves = {each.get_label(): each.lines[0].get_ydata().tolist() for each in axes.containers}
    assert curves == {"scratch": [40, 60], "s2dc.code": [45]}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["10", "100"]
    assert legend(axes) == ["scratch", "s2dc.code", "no value"]
    assert numbers["percent"].tolist() == [10, 10, 100, 100] and numbers["reason"].tolist()[-1] == "not run"


def test_published_values_are_hollow_and_beside_real_data_alone():
    write_shares("demo")
    assert set(drawn("shares")[1]["source"]) == {"this table"}
    write_shares("full")
    (axes,), numbers = drawn("shares", "full")
    published = numbers[numbers["source"] != "this table"]
    assert published[["method", "percent", "value", "source"]].to_numpy().tolist() == [["s2dc", 10, 88, "a paper"]]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none" and len(line.get_ydata())]
    assert [line.get_ydata().tolist() for line in hollow] == [[88]] and "published" in legend(axes)


def write_costs(hours):
    rows = [
        {
            **{"method": method.partition(".")[0], "variant": method.partition(".")[2], "encoder": "swin12-demo"},
            **{"column": "all", "pretrain_hours": 0.0, "evaluate_hours": each, "gpu_hours": 0.0},
            **{"pretrain_tflop": np.nan, "evaluate_tflop": 1.0, "n_parameters": 5},
        }
        for method, each in zip(METHODS, hours, strict=True)
    ]
    write_csv(paths.cost_summary("demo", "table1"), rows)


def test_the_front_of_cost_and_quality_holds_whom_nobody_beats():
    write_table1()
    write_costs([1.0, 2.0, 3.0])
    (axes,), numbers = drawn("cost")  # all agree on parameters, and nobody knows the operations
    assert numbers[["measure", "cost", "value"]].to_numpy().tolist()[:2] == [["hours", 1, 60], ["hours", 2, 70]]
    assert numbers["is_front"].tolist() == [True, True, False]
    front = next(line for line in axes.lines if line.get_label() == "front")
    assert front.get_xydata().tolist() == [[1, 60], [2, 70]]
    assert legend(axes) == ["scratch", "s2dc.code", "voco.code (not drawn: no value)"]
    write_costs([2.0, 1.0, 3.0])
    assert drawn("cost")[1]["is_front"].tolist() == [False, True, False]


def test_cost_is_set_against_a_column_with_its_interval():
    write_table1()
    write_costs([1.0, 2.0, 3.0])
    summary = pd.read_csv(paths.cost_summary("demo", "table1")).assign(column="spleen")
    write_csv(paths.cost_summary("demo", "table1"), summary)
    configure(figures={"cost": {**FIGURES["cost"], "column": "spleen"}})
    (axes,), numbers = drawn("cost")
    assert numbers[["low", "high"]].to_numpy()[1].tolist() == [75, 88] and axes.get_ylabel() == "spleen x 100"
    configure(figures={"cost": {**FIGURES["cost"], "column": "splen"}})
    with pytest.raises(ConfigError, match=r"table 'table1' has no column 'splen'\. Did you mean 'spleen'\?"):
        drawn("cost")


def write_ranks(groups, **changes):
    known = {"budget": "demo", "data": "phantom", "encoder": "swin12-demo", "n_datasets": 2, "notes": ""}
    known |= {"friedman_p": 0.02, "critical_difference": 1.25, **changes}
    ranks = {"scratch.": 3.0, "s2dc.code": 1.0, "voco.code": 2.0}
    rows = [
        {
            **known,
            "method": name.partition(".")[0],
            "variant": name.partition(".")[2],
            "mean_rank": rank,
            "group": group,
        }
        for (name, rank), group in zip(ranks.items(), groups, strict=True)
    ]
    write_csv(paths.ranks("demo", "table1"), [{**each, **changes} for each in rows])


def test_ranks_are_marks_on_a_line_and_bars_join_who_shares_a_letter():
    write_ranks(["b", "a", "ab"])
    (axes,), numbers = drawn("ranks")
    assert numbers["mean_rank"].tolist() == [1, 2, 3]
    bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 3]
    assert [tuple(bar) for bar in bars] == [(1, 2), (2, 3)]
    marks = [line.get_xdata()[0] for line in axes.lines if line.get_marker() in ("s", "^", "o")]
    assert marks == [1, 2, 3]
    assert "critical difference 1.25 (Friedman's p 0.02, 2 datasets)" in texts(axes)
    assert [text.strip() for text in texts(axes)[-3:]] == ["s2dc.code  1.00", "voco.code  2.00", "scratch  3.00"]


def test_where_there_are_no_ranks_the_picture_says_why():
    numbers = dict.fromkeys(("mean_rank", "friedman_p", "critical_difference"), np.nan)
    write_ranks(["", "", ""], **numbers, notes="no ranks: 1 of the 2 datasets that they need")
    axes, told = drawn("ranks")
    assert not axes and told["reason"].str.contains("no ranks: 1 of the 2 datasets that they need; ").tolist() == [True]
    write_figure("ranks", "demo")
    assert "no ranks: 1 of the 2" in paths.figure("demo", "ranks", ".svg").read_text()


def write_losses(folder, n_steps):
    rows = [
        {"step": step, "lr": 0.1, "a_term": step, "total": 2 * step, "validation": 0.5 if step % 2 else np.nan}
        for step in range(n_steps)
    ]
    write_csv(folder / paths.LOSSES, rows)


def test_each_term_of_a_pretraining_has_a_panel_of_at_most_so_many_points():
    runs = {run.pretrain for _, run in table_runs("table1", "demo") if run.pretrain.weights()}
    for run in runs:
        write_losses(run.folder(), 6)
    axes, numbers = drawn("pretraining")
    titles = [each.get_title(loc="left") for each in axes]
    assert titles == ["a term", "total", "validation"] * 2 and axes[0].get_ylabel() == "s2dc.code"
    assert axes[0].lines[0].get_xydata().tolist() == [[0.5, 0.5], [2.5, 2.5], [4.5, 4.5]]  # means of two steps
    assert set(numbers["run"]) == {str(run.folder()) for run in runs} and legend(axes[0]) == ["ct"]


def test_finetuning_shows_loss_and_score_and_says_what_is_missing():
    runs = [(column.name, run) for column, run in table_runs("table1", "demo")]
    for name, run in runs:
        if name == "spleen" or run.pretrain.method.name == "scratch":
            write_losses(run.folder(), 4)
    (spleen, ccii, spleen_score, ccii_score), numbers = drawn("finetuning")
    assert [line.get_ydata().tolist() for line in spleen.lines] == [[0, 2, 4, 6]] * 3
    assert [line.get_xydata().tolist() for line in spleen_score.lines] == [[[1, 0.5], [3, 0.5]]] * 3
    assert len(ccii.lines) == len(ccii_score.lines) == 1 and texts(ccii) == ["2 runs without losses"]
    assert numbers.loc[numbers["value"].isna(), "reason"].tolist() == ["the run left no losses"] * 2
    assert legend(spleen) == METHODS


def test_without_any_losses_there_is_nothing_to_draw():
    axes, told = drawn("pretraining")
    assert not axes and "no run behind table1 has losses yet" in told["reason"].item()


def test_every_kind_is_told_read_and_drawn():
    assert KINDS.keys() == DRAWN_BY.keys() == figure_inputs._INPUTS.keys()


def test_every_table_is_a_figure():
    assert figure_names() == sorted([*FIGURES, "overall", "probe"])
    assert figure_settings("probe").kind == "bars" and figure_settings("shares").kind == "label_fractions"
    assert figure_inputs.figure_inputs("overall", "demo") == [paths.table("demo", "table1")]
    assert figure_inputs.figure_inputs("pretraining", "demo")[0].name == paths.LOSSES


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"new": {"kind": "bar", "table": "shares"}}, "figure 'new' has kind 'bar', which nobody draws. Did you mean"),
        ({"new": {"kind": "bars", "table": "share"}}, "declares no table 'share'. Did you mean 'shares'?"),
        ({"new": {"kind": "bars", "table": "shares", "colum": "a"}}, "figure 'new': unknown key 'colum'."),
        ({}, "declares no figure 'new'. Known: "),
    ],
)
def test_a_wrong_figure_is_one_sentence(figures, sentence):
    configure(figures=figures)
    with pytest.raises(ConfigError) as caught:
        figure_settings("new")
    assert sentence in str(caught.value)


def test_a_caption_says_budget_and_data_and_whether_they_rank():
    captions = [figure_caption(figure_settings("overall"), budget) for budget in ("full", "demo")]
    assert captions[0].startswith("Budget full on real data. Bars: ")
    assert captions[1].startswith("Budget demo on phantoms (synthetic twins): ranks no method. Bars: ")
