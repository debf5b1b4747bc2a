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
            **{"method": ["scratch", "s2dc", "voco"], "variant": ["", "code", "code"], "encoder": ["e", "e", "e"]},
            **{"budget": "demo", "data": "phantom", "btcv": ["70.00", "", "75.00"], "btcv_low": ["60.00", "", "70.00"]},
            **{"btcv_high": ["80.00", "", "79.00"], "btcv_n": ["6", "0", "6"], "btcv_group": ["2", "", "1"]},
            **{"adni": ["50.00"] * 3, "adni_low": [""] * 3, "adni_high": [""] * 3, "adni_n": ["1"] * 3},
            **{"adni_group": ["1"] * 3, "average": ["60.00", "", "62.50"]},
            "notes": ["", "btcv: not run", "adni: one patient, so no interval | btcv: not run"],
        }
    )
    shown = view_table("table1", rows)
    assert shown.cells.to_dict("index") == {
        "btcv": {"scratch": "70.00 [60.00, 80.00] n=6", "s2dc.code": "-", "voco.code": "75.00 [70.00, 79.00] n=6"},
        "adni": dict.fromkeys(["scratch", "s2dc.code", "voco.code"], "50.00 n=1"),
        "average": {"scratch": "60.00", "s2dc.code": "-", "voco.code": "62.50"},
    }
    assert shown.is_strong.to_numpy().tolist() == [[False, False, True], [False] * 3, [False] * 3], "all of adni tie"
    assert shown.notes == ("adni: one patient, so no interval", "btcv: not run")
    assert "(budget demo, data phantom; ranks no method)" in shown.caption
