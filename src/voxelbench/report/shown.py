"""A table as people read it, and its Markdown and LaTeX."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voxelbench.atomic import write_text

_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    mark: f"\\{mark}" for mark in "&%$#_{}"
}


@dataclass(frozen=True)
class Shown:
    """Texts by row and column, which of them stand out, and what stands above and below.

    `cells` and `is_strong` have the same rows and columns; the columns of `cells` are the heads, its index the rows.
    """

    cells: pd.DataFrame
    is_strong: pd.DataFrame
    caption: str
    notes: tuple[str, ...]


def write_renderings(table: Path, shown: Shown) -> None:
    """Write the Markdown and the LaTeX of a table beside its CSV."""
    write_text(table.with_suffix(".md"), markdown(shown))
    write_text(table.with_suffix(".tex"), latex(shown, label=f"tab:{table.stem}"))


def markdown(shown: Shown) -> str:
    """Return a table in GitHub's Markdown: caption, cells, notes. What stands out is bold."""
    cells = shown.cells.map(_escape_markdown)
    cells = cells.where(~shown.is_strong, "**" + cells + "**").rename(columns=_escape_markdown, index=_escape_markdown)
    table = cells.to_markdown(disable_numparse=True)
    notes = "".join(f"- {_escape_markdown(note)}\n" for note in shown.notes)
    return f"{_escape_markdown(shown.caption)}\n\n{table}\n" + (f"\n{notes}" if notes else "")


def latex(shown: Shown, label: str) -> str:
    """Return a table in LaTeX with the packages booktabs and graphicx; the notes follow in small print."""
    cells = shown.cells.map(_escape_latex).rename(columns=_escape_latex, index=_escape_latex)
    cells = cells.rename_axis(None if cells.index.name is None else _escape_latex(str(cells.index.name)))
    is_strong = shown.is_strong.set_axis(cells.index).set_axis(cells.columns, axis=1)
    bold = is_strong.replace({True: "textbf:--rwrap;", False: ""})
    body = cells.style.apply(lambda _: bold, axis=None).to_latex(
        column_format="l" + "r" * len(cells.columns), hrules=True
    )
    notes = " ".join(_escape_latex(note) + "." * (not note.endswith(".")) for note in shown.notes)
    return (
        "% needs \\usepackage{booktabs,graphicx}\n\\begin{table}\n\\centering\n"
        f"\\caption{{{_escape_latex(shown.caption)}}}\n\\label{{{label}}}\n"
        f"\\resizebox{{\\linewidth}}{{!}}{{%\n{body.rstrip()}%\n}}\n"
        + (f"\n\\smallskip\n{{\\footnotesize {notes}}}\n" if notes else "")
        + "\\end{table}\n"
    )


def _escape_markdown(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;").replace("\n", " ")


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(mark, mark) for mark in text)
