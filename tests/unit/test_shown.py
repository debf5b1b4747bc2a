"""Markdown and LaTeX of a table: every text survives, what stands out is bold."""

import pandas as pd
import pytest

from voxelbench.report.shown import Shown, latex, markdown
from voxelbench.report.table_view import view_table


@pytest.fixture
def shown():
    cells = pd.DataFrame({"a_b": ["1 | 2", "50 %"], "c": ["-", "x*y"]}, pd.Index(["one", "t_wo"], name="dataset"))
    is_strong = pd.DataFrame({"a_b": [False, True], "c": [False, False]}, cells.index)
    return Shown(cells, is_strong, "A caption, 100 %", ("a note with $ and _",))


def test_markdown_has_caption_cells_and_notes(shown):
    lines = markdown(shown).splitlines()
    assert lines[0] == "A caption, 100 %" and lines[-1] == "- a note with $ and _"
    rows = [[cell.strip() for cell in line.strip("|").replace("\\|", "\0").split("|")] for line in lines[2:6]]
    assert rows[0] == ["dataset", "a_b", "c"]
    assert rows[2:] == [["one", "1 \0 2", "-"], ["t_wo", "**50 %**", "x\\*y"]]


def test_latex_escapes_what_latex_reads_as_its_own(shown):
    text = latex(shown, "tab:t")
    assert "\\caption{A caption, 100 \\%}" in text and "\\label{tab:t}" in text
    assert "one & 1 | 2 & - \\\\" in text and "t\\_wo & \\textbf{50 \\%} & x*y \\\\" in text
    assert "dataset & a\\_b & c \\\\" in text or "a\\_b & c \\\\" in text
    assert "{\\footnotesize a note with \\$ and \\_.}" in text
    assert text.count("{") == text.count("}")


def test_a_view_has_a_line_a_dataset_and_says_what_it_is_of(checkout):
    rows = pd.DataFrame(
        {
            **{"method": ["scratch", "s2dc"], "variant": ["", "code"], "encoder": ["e", "e"]},
            **{"budget": "demo", "data": "phantom", "btcv": ["70.00", ""], "btcv_low": ["60.00", ""]},
            **{"btcv_high": ["80.00", ""], "btcv_n": ["6", "0"], "btcv_group": ["1", ""], "average": ["70.00", ""]},
            "notes": ["", "btcv: not run"],
        }
    )
    shown = view_table("table1", rows)
    assert shown.cells.to_dict("index") == {
        "btcv": {"scratch": "70.00 [60.00, 80.00] n=6", "s2dc.code": "-"},
        "average": {"scratch": "70.00", "s2dc.code": "-"},
    }
    assert shown.is_strong.to_numpy().tolist() == [[True, False], [False, False]]
    assert shown.notes == ("btcv: not run",)
    assert "(budget demo, data phantom; ranks no method)" in shown.caption
