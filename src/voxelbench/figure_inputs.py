"""Figures of the config: which there are, what each is drawn from, and what its caption says.

Snakemake's own process imports this module: no torch here, and no matplotlib.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from voxelbench import paths, registry
from voxelbench.analysis.plan import analysis_settings
from voxelbench.config import read_budget, read_config, table_budget, table_config
from voxelbench.errors import ConfigError, nearest
from voxelbench.expand import RowId, gate, table_runs
from voxelbench.figure_settings import KINDS, AnalysisFigure, FigureSettings, Montage, Training
from voxelbench.resolve import data_kind
from voxelbench.runs import OWN_NETWORK, EvalRun, MethodId, PretrainRun
from voxelbench.validation import parse

OVERALL = "overall"
"""The name under which the main table is drawn."""


def table_figure(table: str) -> str:
    """Return the name of the figure that a table is drawn as."""
    return OVERALL if table == paths.MAIN_TABLE else table


def figure_names() -> list[str]:
    """Return the names of all figures: those that the config lists, and one for each table."""
    config = read_config()
    return sorted({*config.figures, *map(table_figure, config.tables)})


def figure_settings(name: str) -> FigureSettings:
    """Return what the config says of a figure. A table that it says nothing of is drawn as bars, under its own name.

    Raises ConfigError, naming the nearest, for a figure, kind, table, analysis or key that does not exist.
    """
    config, path = read_config(), paths.config_file()
    tables = {table_figure(table): table for table in config.tables}
    if name not in config.figures and name not in tables:
        raise ConfigError(f"{path} declares no figure '{name}'.{nearest(name, figure_names())}")
    content = config.figures.get(name) or {"kind": "bars", "table": tables.get(name)}
    kind = str(content.get("kind"))
    if kind not in KINDS:
        raise ConfigError(f"{path}: figure '{name}' has kind '{kind}', which nobody draws.{nearest(kind, KINDS)}")
    settings = parse(KINDS[kind], content, f"{path}, figure '{name}'")
    if isinstance(settings, AnalysisFigure):
        analysis_settings(settings.analysis)
    else:
        table_config(settings.table)
    return settings


def figure_budget(name: str, asked: str | None) -> str:
    """Return the budget that a figure is drawn for: the one asked for, its table's, or the configured one."""
    settings = figure_settings(name)
    if isinstance(settings, AnalysisFigure):
        return asked or read_config().budget
    return table_budget(settings.table, asked)


def figure_inputs(name: str, budget: str) -> list[Path]:
    """Return the files that a figure is drawn from."""
    settings = figure_settings(name)
    return _INPUTS[settings.kind](settings, budget)


def figure_data(settings: FigureSettings, budget: str) -> str:
    """Return what a figure's table or analysis is measured on: `real`, `phantom`, or both joined by a plus."""
    if isinstance(settings, AnalysisFigure):
        return _data((scene.dataset for scene in analysis_settings(settings.analysis).scenes), budget)
    return table_data(settings.table, budget)


def table_data(table: str, budget: str) -> str:
    """Return what a table is measured on, likewise."""
    return _data((column.dataset for column in table_config(table).columns), budget)


def _data(datasets: Iterable[str], budget: str) -> str:
    return "+".join(sorted({data_kind(registry.dataset_card(name), read_budget(budget)) for name in datasets}))


def figure_title(settings: FigureSettings) -> str:
    """Return the title of a figure: its own, else its table's."""
    return settings.title or table_config(settings.table).title


def figure_caption(settings: FigureSettings, budget: str) -> str:
    """Return what stands under a figure: how long it ran, on what, whether that ranks methods, and how to read it."""
    return f"{_runs_on(figure_data(settings, budget), budget)} {settings.READING}"


def table_caption(table: str, budget: str) -> str:
    """Return what the caption of a table begins with: how long it ran, on what, and whether that ranks methods."""
    return _runs_on(table_data(table, budget), budget)


def _runs_on(data: str, budget: str) -> str:
    ran = f"Budget {budget} on {_DATA[data]}"
    ranks = data == read_budget(budget).data == "real"
    return f"{ran}{'.' if ranks else ': ranks no method.'}"


def _table(settings: FigureSettings, budget: str) -> list[Path]:
    return [paths.table(budget, settings.table)]


class TrainingRun(NamedTuple):
    """A run that was trained: what pretrained it, on which corpus or column of a table, and where its losses are."""

    method: MethodId
    encoder: str
    panel: str
    losses: Path


def training_runs(settings: Training, budget: str) -> list[TrainingRun]:
    """Return the runs behind a table whose losses a figure shows: those of its stage that can run here.

    Neither a probe nor an external method leaves losses.
    """
    runs = [(column.name, run) for column, run in table_runs(settings.table, budget) if gate(run) is None]
    if settings.stage == "pretrain":
        pretrained = dict.fromkeys(run.pretrain for _, run in runs if run.pretrain.weights())
        return [_trained(run, run.corpus, run.folder()) for run in pretrained]
    return [_trained(run.pretrain, column, run.folder()) for column, run in runs if _leaves_losses(run)]


def _trained(run: PretrainRun, panel: str, folder: Path) -> TrainingRun:
    return TrainingRun(run.method, run.encoder, panel, folder / paths.LOSSES)


def _leaves_losses(run: EvalRun) -> bool:
    return run.protocol == "finetune" and run.pretrain.encoder != OWN_NETWORK


def _cost(settings: FigureSettings, budget: str) -> list[Path]:
    return [paths.table(budget, settings.table), paths.cost_summary(budget, settings.table)]


def _ranks(settings: FigureSettings, budget: str) -> list[Path]:
    return [paths.ranks(budget, settings.table)]


def _losses(settings: FigureSettings, budget: str) -> list[Path]:
    assert isinstance(settings, Training)
    return [run.losses for run in training_runs(settings, budget)]


def montage_runs(settings: Montage, budget: str) -> list[EvalRun]:
    """Return the runs of a montage, one of each row of the table, of the first seed and fold.

    Raises ConfigError, naming the nearest, for a column that the table does not have.
    """
    found: dict[RowId, EvalRun] = {}
    for column, run in table_runs(settings.table, budget):
        if column.name == settings.column:
            found.setdefault(RowId(run.pretrain.method, run.pretrain.encoder), run)
    if not found:
        known = [column.name for column in table_config(settings.table).columns]
        raise ConfigError(
            f"{paths.config_file()}: table {settings.table} has no column '{settings.column}'."
            f"{nearest(settings.column, known)}"
        )
    return list(found.values())


def _examples(settings: FigureSettings, budget: str) -> list[Path]:
    assert isinstance(settings, Montage)
    return [run.folder() / paths.EXAMPLES for run in montage_runs(settings, budget) if gate(run) is None]


def _analysed(*files: str) -> Callable[[FigureSettings, str], list[Path]]:
    def inputs(settings: FigureSettings, budget: str) -> list[Path]:
        assert isinstance(settings, AnalysisFigure)
        return [paths.analysis(budget, settings.analysis) / file for file in files]

    return inputs


_DATA = {
    "real": "real data",
    "phantom": "phantoms (synthetic twins)",
    "phantom+real": "phantoms (synthetic twins) and real data",
}

_INPUTS: dict[str, Callable[[FigureSettings, str], list[Path]]] = {
    "bars": _table,
    "label_fractions": _table,
    "cost_quality": _cost,
    "critical_difference": _ranks,
    "training": _losses,
    "montage": _examples,
    "similarity": _analysed(paths.SCORES, paths.TOKENS, paths.SLICES),
    "distribution": _analysed(paths.SCORES, paths.TOKENS),
    "organs": _analysed(paths.SCORES, paths.POINTS),
    "evolution": _analysed(paths.SCORES, paths.TOKENS, paths.SLICES),
}
