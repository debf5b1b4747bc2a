"""Pages: templates filled with the model. Equal results give equal bytes."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from jinja2 import Environment, PackageLoader

from voxelbench import paths, registry
from voxelbench.config import read_budget, read_config
from voxelbench.contamination.record import Report, read_report
from voxelbench.figure_inputs import figure_budget, figure_caption, figure_settings, figure_title
from voxelbench.report.cost_summary import ALL
from voxelbench.report.site.evidence import Run
from voxelbench.report.site.formats import interval, number, p_value, plain
from voxelbench.report.site.join import build_matrix
from voxelbench.report.site.markdown import Document, read_document
from voxelbench.report.site.model import Cell, is_demonstration, slug
from voxelbench.report.site.montage import panels, write_montage
from voxelbench.report.site.sheet import build_sheet
from voxelbench.report.site.sources import drawn_figures, read_rows, read_table

PACKAGE = "voxelbench.report.site"
ASSETS = ("site.css", "site.js")
PUBLISHED = (
    *("method", "variant", "dataset", "task", "fraction", "item"),
    *("metric", "statistic", "value", "source", "table"),
)
"""Columns of the published leaderboard that pages show."""
N_CASES_SHOWN = 60
"""Of a cell, the lowest first: a page stays small, the CSV has them all."""


@dataclass(frozen=True)
class Figure:
    """A picture of the results, and the words around it; `file` is None where it was not drawn, or may not be shown."""

    name: str
    title: str
    caption: str
    expected: Path
    file: Path | None
    is_withheld: bool

    @property
    def page(self) -> str:
        """Where its copy lies, from the top of the site."""
        return f"figures/{self.file.name}" if self.file else ""


class Site:
    """All pages, and what they share."""

    def __init__(self, budget: str | None) -> None:
        self.config, self.asked_budget = read_config(), budget
        self.budget = read_budget(budget or self.config.budget)
        self.matrices = [build_matrix(read_table(name, budget)) for name in self.config.site.tables]
        self.cells = [cell for matrix in self.matrices for cell in matrix.cells]
        self.documents = _documents()
        self.published = read_rows(paths.published_leaderboard())
        self.images: dict[str, Path] = {}
        self.montages: dict[str, Path] = {}
        self.environment = Environment(
            loader=PackageLoader(PACKAGE),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters |= {
            "number": number,
            "interval": interval,
            "p_value": p_value,
            "plain": plain,
            "montage": self.montage,
            "panels": panels,
        }
        self.environment.globals |= {
            "site": self,
            "n_cases_shown": N_CASES_SHOWN,
            "case_file": paths.case_scores,
            "budget": self.budget,
            "is_demonstration": is_demonstration(self.matrices),
            "method_card": registry.method_card,
            "dataset_card": registry.dataset_card,
        }

    def pages(self) -> Iterator[tuple[str, str]]:
        """Yield the path and the HTML of every page."""
        yield "index.html", self.render("index.html", "", matrix=self.matrices[0] if self.matrices else None)
        yield "tables.html", self.render("tables.html", "")
        yield "figures.html", self.render("figures.html", "", figures=self.figures())
        yield "delta.html", self.delta()
        yield "cost.html", self.cost()
        for kind in ("methods", "datasets"):
            yield f"{kind}.html", self.render(f"{kind}.html", "", names=registry.names(kind))
            for name in registry.names(kind):
                yield f"{kind}/{name}.html", self.plugin(kind, name)
        yield "about.html", self.render("about.html", "")
        for source, page in self.documents.items():
            if page.startswith("docs/"):
                yield page, self.render("document.html", "../", document=self.document(source))
        for cell in self.cells:
            yield cell.page, self.render("cell.html", "../", cell=cell)
        for page, (run, users) in self.pretrainings().items():
            yield page, self.render("pretraining.html", "../", run=run, users=users)

    def render(self, template: str, root: str, **values: object) -> str:
        """Return a page that lies `root` ("" or "../") below the top of the site."""
        return self.environment.get_template(template).render(root=root, **values)

    def delta(self) -> str:
        """Return the page of published numbers beside ours, those that nobody ran last."""
        path = paths.delta(self.budget.name)
        rows = sorted(read_rows(path), key=lambda row: row["verdict"] == "not run")
        return self.render("delta.html", "", path=path, rows=rows)

    def cost(self) -> str:
        """Return the page of costs: of the rows of each table, and of its cells."""
        costs = {matrix.table.name: matrix.table.costs for matrix in self.matrices}
        sums = {name: build_sheet([row for row in rows if row["column"] == ALL]) for name, rows in costs.items()}
        parts = {name: build_sheet([row for row in rows if row["column"] != ALL]) for name, rows in costs.items()}
        return self.render("cost.html", "", sums=sums, parts=parts)

    def plugin(self, kind: str, name: str) -> str:
        """Return the page of a method or a dataset: its card, its cells, its README."""
        field = "dataset" if kind == "datasets" else "method"
        cells = [cell for cell in self.cells if cell.row[field] == name]
        card = registry.dataset_card(name) if kind == "datasets" else registry.method_card(name)
        document = self.document(f"{kind}/{name}/README.md")
        published = build_sheet([row for row in self.published if row[field] == name], PUBLISHED)
        return self.render(f"{field}.html", "../", card=card, cells=cells, document=document, published=published)

    def pretrainings(self) -> dict[str, tuple[Run, list[Cell]]]:
        """Return every pretraining run by its page, with the cells that start from it."""
        found: dict[str, tuple[Run, list[Cell]]] = {}
        for cell in self.cells:
            for each in cell.pretraining:
                found.setdefault(each.page, (each.run, []))[1].append(cell)
        return found

    def contaminations(self, cell: Cell) -> list[Report]:
        """Return the gate's records behind a cell, as far as they are there."""
        return [read_report(path) for path in cell.contaminations if path.is_file()]

    def document(self, source: str) -> Document | None:
        """Return a document of the checkout, for a page one folder down; None if it is not there."""
        path = paths.document(source)
        if not path.is_file():
            return None
        return read_document(path.read_text(encoding="utf-8"), source, self.documents, "../")

    def figures(self) -> list[Figure]:
        """Return the figures, and have them copied."""
        figures = [_figure(name, self.asked_budget) for name in drawn_figures(self.asked_budget)]
        self.images |= {figure.page: figure.file for figure in figures if figure.file}
        return figures

    def montage(self, examples: Path) -> str:
        """Return where the picture of a run's examples will lie, from the top of the site."""
        place = f"montages/{slug(*examples.parent.parts[1:])}.png"
        self.montages[place] = examples
        return place


def write_site(budget: str | None) -> Path:
    """Write the site of a budget, in place of the one that is there; return its first page."""
    site, folder = Site(budget), paths.site().parent
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for page, text in site.pages():
        _place(partial / page).write_text(text, encoding="utf-8")
    for name in ASSETS:
        with as_file(files(PACKAGE) / "static" / name) as asset:
            shutil.copyfile(asset, partial / name)
    for place, image in site.images.items():
        shutil.copyfile(image, _place(partial / place))
    for place, examples in site.montages.items():
        write_montage(examples, _place(partial / place))
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return paths.site()


def _place(path: Path) -> Path:
    """Return a path whose folder is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _figure(name: str, asked: str | None) -> Figure:
    """Return a figure, as SVG where there is one."""
    budget, settings = figure_budget(name, asked), figure_settings(name)
    formats = [paths.figure(budget, name, suffix) for suffix in (".svg", ".png")]
    file = next((path for path in formats if path.is_file()), None)
    numbers = read_rows(paths.figure(budget, name, ".csv"))
    is_withheld = any(row.get("may_be_published") == "False" for row in numbers)
    caption = figure_caption(settings, budget)
    return Figure(name, figure_title(settings), caption, formats[0], None if is_withheld else file, is_withheld)


def _documents() -> dict[str, str]:
    """Return the page of every document of the checkout, by its path there."""
    pages = {paths.DICTIONARY: "docs/results.html", "config/README.md": "docs/config.html"}
    for source in paths.documents():
        pages[source] = f"docs/{slug(*source.removeprefix('docs/').removesuffix('.md').split('/'))}.html"
    for kind in ("methods", "datasets"):
        pages |= {f"{kind}/{name}/README.md": f"{kind}/{name}.html" for name in registry.names(kind)}
        pages[f"{kind}/README.md"] = f"{kind}.html"
    return pages
