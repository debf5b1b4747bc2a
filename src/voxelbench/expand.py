"""Expansion: which runs a table needs, what they read, and which of them are gated.

Snakemake's own process imports this module: no torch here.
"""

from pathlib import Path
from typing import NamedTuple

from voxelbench import paths, registry
from voxelbench.cards import TaskKind
from voxelbench.config import (
    Column,
    Table,
    corpus_config,
    modality_corpus,
    native_encoder,
    read_budget,
    read_config,
    table_config,
    task_card,
)
from voxelbench.data.grid import NATIVE, grid_name
from voxelbench.errors import ConfigError
from voxelbench.resolve import data_kind, method_settings, recipe
from voxelbench.runs import NO_CORPUS, EvalRun, MethodId, PretrainRun, Track


class RowId(NamedTuple):
    """One row of a table: a method in an encoder."""

    method: MethodId
    encoder: str


def table_runs(name: str, budget: str) -> list[tuple[Column, EvalRun]]:
    """Return every run behind a table, column by column, gated or not."""
    config, table, rows = read_config(), table_config(name), table_rows(name, budget)
    return [
        (column, _eval_run(table, column, row, seed, fold, budget))
        for column in table.columns
        for row in rows
        for seed in table.seeds or config.seeds
        for fold in column.folds
    ]


def table_rows(name: str, budget: str) -> list[RowId]:
    """Return the rows of a table: each method with its encoder, and each control with every encoder of the table."""
    table = table_config(name)
    methods = [MethodId.parse(method) for method in table.methods or read_config().methods]
    pretext = {method: _encoder(table.track, method, budget) for method in methods if _is_pretext(method)}
    compared = tuple(dict.fromkeys(pretext.values())) if table.track == "native" else ()
    shared = compared or (read_budget(budget).encoder,)
    return [RowId(method, each) for method in methods for each in ((pretext[method],) if method in pretext else shared)]


def _encoder(track: Track, method: MethodId, budget: str) -> str:
    return native_encoder(method.name, budget) if track == "native" else read_budget(budget).encoder


def _is_pretext(method: MethodId) -> bool:
    return registry.method_card(method.name).is_pretext


def _eval_run(table: Table, column: Column, row: RowId, seed: int, fold: int, budget: str) -> EvalRun:
    corpus = _corpus(column, budget) if _is_pretext(row.method) else NO_CORPUS
    pretrain = PretrainRun(budget, corpus, row.method, row.encoder, seed)
    # A probe trains no weights, so there are none to choose from.
    selection = table.selection if table.protocol == "finetune" else "last"
    return EvalRun(column.dataset, column.task, fold, pretrain, table.protocol, selection, column.fraction)


def _corpus(column: Column, budget: str) -> str:
    modality = registry.dataset_card(column.dataset).modality
    corpus = column.corpus or modality_corpus(modality, budget)
    if corpus is None:
        raise ConfigError(
            f"{paths.config_file()}: `corpus_for` names no corpus for {modality}; {column.dataset} needs one."
        )
    return corpus


def gate(run: EvalRun) -> str | None:
    """Return why a run cannot be started on this machine, or None: its data, or its corpus, are gated and absent."""
    budget, corpus = run.pretrain.budget, run.pretrain.corpus
    if reason := gate_dataset(run.dataset, budget):
        return reason
    members = corpus_config(corpus).members if corpus != NO_CORPUS else ()
    reasons = [reason for member in members if (reason := gate_dataset(member.dataset, budget))]
    return f"{reasons[0]} (corpus {corpus})" if reasons else None


def gate_dataset(dataset: str, budget: str) -> str | None:
    """Return why a dataset cannot be used on this machine, or None: it is gated and absent."""
    card = registry.dataset_card(dataset)
    data = data_kind(card, read_budget(budget))
    folder = paths.raw(read_config().data_root, dataset, data)
    if data == "phantom" or card.access.kind == "open" or folder.is_dir():
        return None
    return f"gated: {dataset} needs {card.access.kind} ({card.access.home}); put it in {folder}"


def prepared_folder(dataset: str, budget: str, grid: str | float) -> Path:
    """Return where a dataset lies prepared for a budget and grid."""
    config = read_config()
    data = data_kind(registry.dataset_card(dataset), read_budget(budget))
    return paths.prepared(config.data_root, dataset, data, grid_name(grid))


def pretrain_manifests(run: PretrainRun) -> dict[str, Path]:
    """Return the manifest of each dataset of a pretraining run's corpus."""
    grid = method_settings(run.method, run.budget)["grid"]
    members = corpus_config(run.corpus).members
    return {member.dataset: paths.manifest(prepared_folder(member.dataset, run.budget, grid)) for member in members}


def eval_manifest(run: EvalRun) -> Path:
    """Return the manifest that an evaluation run reads."""
    grid = recipe(run.dataset, task_card(run.dataset, run.task), run.pretrain.budget, run.protocol).grid
    return paths.manifest(prepared_folder(run.dataset, run.pretrain.budget, grid))


def native_manifest(run: EvalRun) -> Path | None:
    """Return the manifest of the native grid, on which a finetuned segmentation is scored too; None for other runs."""
    is_segmented = task_card(run.dataset, run.task).kind == TaskKind.segmentation
    if not is_segmented or run.protocol != "finetune":
        return None
    return paths.manifest(prepared_folder(run.dataset, run.pretrain.budget, NATIVE))
