"""The static site: pages made of the files of results, every link whole, nothing of a result taken for HTML."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from page_reader import Page
from PIL import Image
from synthetic_results import FAILED, HOSTILE, lay_out, standing_in, write_results, write_rows

from voxelbench import paths
from voxelbench.cards import TaskKind
from voxelbench.cli import main
from voxelbench.config import read_config
from voxelbench.errors import ConfigError
from voxelbench.evaluate.examples import Example, write_examples
from voxelbench.evaluate.rows import Row
from voxelbench.expand import table_runs
from voxelbench.report.site.curve import N_POINTS, curve, read_curve
from voxelbench.report.site.evidence import Run
from voxelbench.report.site.formats import interval, number, p_value, plain
from voxelbench.report.site.join import build_matrix
from voxelbench.report.site.markdown import read_document
from voxelbench.report.site.model import is_demonstration
from voxelbench.report.site.montage import TILE, painted, tile
from voxelbench.report.site.sheet import build_sheet
from voxelbench.report.site.sources import read_rows, read_table

TABLES = ("table1", "ablation", "label_fractions", "probes")
N_CELLS = 98
TWO_MEGABYTES = 2_000_000


def write_slices(run):
    rng = np.random.RandomState(0)
    panels = {name: rng.randint(0, 4, (20, 16)).astype(np.uint8) for name in ("image", "truth", "answer")}
    examples = [Example(name, panels) for name in ("case_00", "case_01")]
    rows = [Row(each.case_id, each.case_id, "organ", "dice", 0.5, 9, "native") for each in examples]
    write_examples(run.folder() / paths.EXAMPLES, TaskKind.segmentation, run.selection, examples, rows)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkout")
    lay_out(root, TABLES)
    with standing_in(root):
        for table in TABLES:
            write_results(table)
        write_slices(next(run for column, run in table_runs("table1", "demo") if column.name == "btcv"))
        assert main(["site"]) == 0
        yield root


@pytest.fixture(scope="module")
def site(checkout):
    return checkout / paths.site().parent


@pytest.fixture(scope="module")
def pages(site):
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def cells(pages):
    return {name: page for name, page in pages.items() if name.startswith("cells/")}


def test_every_element_is_closed_and_every_id_is_there_once(pages):
    for name, page in pages.items():
        assert page.unclosed == [], name
        assert max(page.ids.values()) == 1, f"{name}: {page.ids.most_common(1)}"


def test_every_link_leads_to_a_file_and_a_place_in_it(site, pages):
    for name, page in pages.items():
        for link in page.all("a"):
            target, _, fragment = link["href"].partition("#")
            if target.startswith(("https://", "http://", "mailto:")):
                continue
            path = ((site / name).parent / target).resolve() if target else site / name
            assert path.is_file(), f"{name} links to {link['href']}"
            there = pages[path.relative_to(site.resolve()).as_posix()] if target else page
            assert not fragment or fragment in there.ids, f"{name} links to {link['href']}"


def test_no_page_asks_another_host_for_anything(site, pages):
    for name, page in pages.items():
        sources = [each.get("src") or each.get("href") for tag in ("script", "img", "link") for each in page.all(tag)]
        for source in sources:
            assert source == "data:," or ((site / name).parent / source).is_file(), f"{name} loads {source}"
    assert not any(word in (site / "site.css").read_text() for word in ("url(", "@import"))


def test_every_cell_has_a_page_and_the_leaderboard_leads_to_it(pages, cells):
    assert len(cells) == N_CELLS
    assert {link["href"] for link in pages["index.html"].all("a")} >= set(cells)


def test_a_cell_without_scores_says_why(pages, cells):
    column, method = FAILED
    page = cells[f"cells/table1-{column}-{method}.relpos-swin12-demo.html"]
    assert "No value: failed." in page.text
    assert HOSTILE in page.text
    assert HOSTILE in pages["index.html"].text


def test_text_of_results_is_never_html(pages):
    for name, page in pages.items():
        scripts = [script.get("src", "") for script in page.all("script")]
        assert len(scripts) == 1 and scripts[0].endswith("site.js"), name


def test_the_page_of_a_cell_shows_where_its_number_comes_from(cells):
    page = cells["cells/table1-btcv-s2dc.code-swin12-demo.html"]
    folder = "results/demo/evaluate/btcv-segmentation/harness-finetune-f1/ct/s2dc.code/swin12-demo/seed0-fold0"
    for said in (
        folder,
        "14edcf99" * 8,
        "data/prepared/btcv/phantom-native/manifest.csv",
        "git checkout 6c1f0a5e",
        f"snakemake {folder}/cases.csv --cores all",
        "python -m voxelbench evaluate btcv",
        "torch 2.13.0",
        "step 145 of 150",
        "case_05",
        "6 test cases of fold 0 against 40 of the corpus ct",
    ):
        assert said in page.text, said
    assert "step 45 of 150" not in page.text  # the log's last lines alone
    assert len(page.all("polyline")) == 2
    assert {"href": "../runs/demo-ct-s2dc.code-swin12-demo-seed0.html"} in page.all("a")


def test_a_cell_shows_what_its_run_saw_knew_and_answered(site, cells):
    images = {name: page.all("img") for name, page in cells.items() if page.all("img")}
    ((name, (image,)),) = images.items()
    assert name == "cells/table1-btcv-scratch-swin12-demo.html"
    assert "From top to bottom: image, truth, answer." in cells[name].text
    picture = np.asarray(Image.open(site / "cells" / image["src"]))
    assert picture.shape == (3 * TILE, 2 * TILE, 3)


def test_cases_that_may_not_be_passed_on_are_neither_shown_nor_listed(tmp_path):
    lay_out(tmp_path, ("probes",))
    with standing_in(tmp_path):
        write_results("probes", data="real")
        for _, run in table_runs("probes", "demo"):
            write_slices(run)
        assert main(["site"]) == 0
        site = paths.site().parent
        listed, unlisted = (
            Page(site / "cells" / f"probes-{name}-scratch-swin12-demo.html") for name in ("cc_ccii", "adni")
        )
        assert not (site / "montages").exists()
    assert "case_05" in listed.text and "stay out of pages that others may read" in listed.text
    assert "case_05" not in unlisted.text and "no, nor tables of subjects" in unlisted.text


def test_where_all_systems_of_a_column_tie_none_is_marked_as_best(tmp_path):
    lay_out(tmp_path, ("upstream",))
    with standing_in(tmp_path):
        for n_groups, n_marked in ((1, 0), (2, 5)):
            write_results("upstream")
            rows = [dict(row) for row in read_rows(paths.comparisons("demo", "upstream"))]
            for place, row in enumerate(rows):
                row["group"] = str(1 + place % n_groups)
            write_rows(paths.comparisons("demo", "upstream"), list(rows[0]), rows)
            assert main(["site"]) == 0
            page = Page(paths.site())
            assert sum(cell.get("class") == "best" for cell in page.all("td")) == n_marked


def test_a_panel_lies_as_radiologists_look_at_it():
    image = np.zeros((8, 4), np.uint8)
    image[7, 3] = 200  # the patient's right, in front
    shown = tile(Example("case", {"image": image}), "image")
    assert shown[:, :, 0].max() == 200
    row, column = np.argwhere(shown[:, :, 0] == 200)[0]
    assert column == 0 and row == TILE // 4  # on the left; above, under the empty quarter of a flat panel


def test_classes_have_colours_of_their_own_and_what_is_none_stays_grey():
    classes = np.array([[0, 1, 2]])
    colours = painted(np.full((1, 3), 100, np.uint8), classes)[0].tolist()
    assert colours[0] == [100, 100, 100]
    assert len({tuple(colour) for colour in colours}) == 3


def test_every_page_of_a_demo_says_that_it_ranks_no_method(pages):
    assert all("Demo: ranks no method." in page.text for page in pages.values())


def test_real_data_in_another_budget_is_no_demonstration(checkout):
    write_results("ablation", "full", data="real")
    assert not is_demonstration([build_matrix(read_table("ablation", "full"))])
    write_results("ablation", "full", data="phantom")
    assert is_demonstration([build_matrix(read_table("ablation", "full"))])


def test_tables_have_captions_and_headers_know_their_direction(pages):
    for name, page in pages.items():
        if not name.startswith("docs/"):
            own = [each for each in page.elements if each[0] in ("table", "caption")]
            for table, following in zip(own[::2], own[1::2], strict=False):
                if table[0] == "table" and "class" in table[1]:
                    assert following[0] == "caption", name
        assert all("scope" in header for header in page.all("th")), name


def test_a_hundred_cells_take_less_than_two_megabytes_without_images(site, cells):
    sizes = {path: path.stat().st_size for path in site.rglob("*") if path.suffix in (".html", ".css", ".js")}
    assert sum(sizes.values()) < TWO_MEGABYTES
    assert max(sizes[site / name] for name in cells) < 12_000


def test_equal_results_give_equal_bytes(site, checkout):
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    assert main(["site"]) == 0
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before


def test_what_was_not_made_is_said_with_the_line_that_makes_it(tmp_path):
    lay_out(tmp_path, ("ablation",))
    with standing_in(tmp_path):
        write_results("ablation")
        paths.comparisons("demo", "ablation").unlink()
        shutil.rmtree(paths.evaluate_runs("demo") / "btcv-segmentation")
        assert main(["site"]) == 0
        index, delta, cell = (
            Page(paths.site().parent / name).text
            for name in ("index.html", "delta.html", "cells/ablation-btcv-s2dc.code-swin12-demo.html")
        )
    assert "snakemake --cores all results/demo/comparisons_ablation.csv" in index
    assert "Not there: results/demo/delta.csv" in delta
    assert "the statistics of this cell are not there" in cell
    assert "No run.json" in cell and "No spec.yaml" in cell


def test_before_anything_ran_there_is_a_site_that_says_so(tmp_path):
    lay_out(tmp_path, ("ablation",))
    with standing_in(tmp_path):
        assert main(["site"]) == 0
        assert "Not there: results/demo/scores_ablation.csv" in Page(paths.site()).text


def test_a_table_that_the_config_does_not_declare_is_refused(tmp_path):
    lay_out(tmp_path, ("tabel1",))
    with standing_in(tmp_path), pytest.raises(ConfigError, match=r"there is no table 'tabel1'\. Did you mean 'table1'"):
        read_config()


def test_a_curve_has_few_points_however_long_the_run_was():
    values = [(float(step), float(np.exp(-step / 5000))) for step in range(20_000)]
    drawn = curve("total", values)
    assert len(drawn.points.split()) <= N_POINTS
    assert drawn.n_steps == 20_000
    assert drawn.first > 0.95 and drawn.last < 0.02


def test_a_loss_that_is_no_number_is_left_out_of_the_curve(tmp_path):
    losses = tmp_path / "losses.csv"
    losses.write_text("step,total\n0,2\n1,nan\n2,1\n3,inf\n")
    (drawn,) = read_curve(losses)
    assert (drawn.highest, drawn.lowest) == (2, 1)


def test_a_second_spec_is_shown_where_it_differs():
    first, second = (Run(Path(), "", ("", ""), spec=f"budget: demo\nseed: {seed}\nsteps: 4\n") for seed in (0, 1))
    assert second.spec_beside(first) == "-seed: 0\n+seed: 1"


def test_links_between_documents_become_links_between_pages():
    text = "# Top\n[a](../methods/s2dc/README.md#from-paper) [b](../Snakefile) [c](https://example.org) [d](#here)"
    known = {"methods/s2dc/README.md": "methods/s2dc.html", "docs/top.md": "docs/top.html"}
    document = read_document(text, "docs/top.md", known, "../")
    assert document.title == "Top"
    assert '<a href="../methods/s2dc.html#doc-from-paper">a</a>' in document.body
    assert '<span class="path" title="a file of the repository">b</span>' in document.body
    assert '<a href="https://example.org">c</a>' in document.body
    assert '<a href="../docs/top.html#doc-here">d</a>' in document.body


def test_html_and_scripts_of_a_document_are_dropped_and_pictures_named():
    text = "# T\n<!-- note --><script>x</script>\n\n![i](https://example.org/i.png) [j](javascript:alert(1))"
    body = read_document(text, "docs/t.md", {}, "").body
    assert not any(word in body for word in ("<script", "<img", "note", 'href="javascript'))
    assert "Picture: i" in body


def test_headings_that_are_alike_get_ids_of_their_own():
    body = read_document("# T\n## Use\n## Use", "docs/t.md", {}, "").body
    assert 'id="doc-use"' in body and 'id="doc-use-1"' in body


def test_a_sheet_says_once_what_all_rows_share(tmp_path):
    path = tmp_path / "delta.csv"
    path.write_text("budget,dataset,ours,empty\ndemo,btcv,1.5,\ndemo,adni,,\n")
    sheet = build_sheet(read_rows(path))
    assert sheet.columns == ("dataset", "ours")
    assert sheet.shared == {"budget": "demo"}
    assert [sheet.is_number(name) for name in sheet.columns] == [False, True]


def test_a_tiny_p_value_is_no_zero():
    assert [p_value(text) for text in ("0.000010", "0.687500", "")] == [
        "< 0.001",
        "0.688",
        "",
    ]  # and nothing is nothing


def test_zeros_that_say_nothing_are_left_out():
    assert [plain(text) for text in ("890.000000", "0.004500", "100", "")] == ["890", "0.0045", "100", ""]


def test_numbers_are_rounded_for_people_and_words_are_left():
    assert [number(text) for text in ("-3.14", "", "gated")] == ["−3.1", "", "gated"]
    assert "1.0 to 2.1" in interval("1.02", "2.06") and interval("", "2") == ""
