"""Cells and matrices, joined of the rows of a table's files and the folders of its runs."""

from collections.abc import Iterator

from voxelbench import registry
from voxelbench.cards import DatasetCard
from voxelbench.report.identity import run_of
from voxelbench.report.site.evidence import read_run
from voxelbench.report.site.model import Cell, Line, Matrix, Pretraining, System, slug, system
from voxelbench.report.site.sources import Row, TableSource
from voxelbench.runs import NO_CORPUS, PretrainRun


def build_matrix(table: TableSource) -> Matrix:
    """Return a table with its cells; rows in the order of the table, columns in that of the config."""
    cells = {(cell.column, cell.system): cell for cell in build_cells(table)}
    systems = dict.fromkeys([*map(system, table.rows), *(system for _, system in cells)])
    summaries, ranks = ({system(row): row for row in rows} for rows in (table.rows, table.ranks))
    lines = (
        Line(
            each,
            tuple(cells.get((column.name, each)) for column in table.config.columns),
            summaries.get(each, {}),
            ranks.get(each, {}),
        )
        for each in systems
    )
    return Matrix(table, tuple(lines))


def build_cells(table: TableSource) -> Iterator[Cell]:
    """Yield the cells of a table, each with the runs behind it."""
    groups = {name: _by_cell(getattr(table, name)) for name in ("scores", "cases", "comparisons", "costs")}
    cards = {name: registry.dataset_card(name) for name in {row["dataset"] for row in table.scores}}
    for key, scores in groups["scores"].items():
        others = {name: groups[name].get(key, []) for name in ("cases", "comparisons", "costs")}
        yield _cell(table, key, cards[scores[0]["dataset"]], scores, **others)


def _by_cell(rows: list[Row]) -> dict[tuple[str, System], list[Row]]:
    groups: dict[tuple[str, System], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["column"], system(row)), []).append(row)
    return groups


def _cell(
    table: TableSource,
    key: tuple[str, System],
    card: DatasetCard,
    scores: list[Row],
    cases: list[Row],
    comparisons: list[Row],
    costs: list[Row],
) -> Cell:
    absent = [row for row in scores if row["status"] != "ok"]
    runs = dict.fromkeys(map(run_of, scores))
    records = dict.fromkeys(run.contamination() for run in runs)
    pretrained = dict.fromkeys(run.pretrain for run in runs if run.pretrain.corpus != NO_CORPUS)
    return Cell(
        table=table,
        column=key[0],
        system=key[1],
        row=(absent or scores)[0],
        statistics=comparisons[0] if comparisons else {},
        card=card,
        runs=tuple(map(read_run, runs)),
        pretraining=tuple(map(_pretraining, pretrained)),
        contaminations=tuple(record for record in records if record),
        cases=tuple(sorted(cases, key=lambda row: float(row["value"]))),
        costs=tuple(costs),
        reasons=tuple(dict.fromkeys(row["reason"].removeprefix(f"{row['status']}: ") for row in absent)),
        contamination=tuple(dict.fromkeys(row["contamination"] for row in scores)),
    )


def _pretraining(run: PretrainRun) -> Pretraining:
    page = f"runs/{slug(run.budget, run.corpus, str(run.method), run.encoder, f'seed{run.seed}')}.html"
    return Pretraining(read_run(run), page)
