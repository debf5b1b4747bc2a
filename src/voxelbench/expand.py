"""Expansion: which runs a table needs, what they read, and which of them are gated.

Snakemake's own process imports this module: no torch here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from voxelbench import environment, paths, registry
from voxelbench.cards import MethodCard, TaskKind
from voxelbench.config import (
    Column,
    Table,
    check_methods,
    corpus_config,
    modality_corpus,
    native_encoder,
    read_budget,
    read_config,
    table_config,
    task_card,
)
from voxelbench.contamination import VERSION
from voxelbench.data.grid import NATIVE, grid_name
from voxelbench.errors import ConfigError
from voxelbench.resolve import data_kind, method_settings, recipe
from voxelbench.runs import NO_CORPUS, OWN_NETWORK, EvalRun, MethodId, PretrainRun, Track


class RowId(NamedTuple):
    """One row of a table: a method in an encoder."""

    method: MethodId
    encoder: str


def table_runs(name: str, budget: str, controls: Sequence[str] | None = None) -> list[tuple[Column, EvalRun]]:
    """Return every run behind a table, column by column, gated or not; `controls` as in `table_rows`."""
    config, table, rows = read_config(), table_config(name), table_rows(name, budget, controls)
    return [
        (column, _eval_run(table, column, row, seed, fold, budget))
        for column in table.columns
        for row in rows
        for seed in table.seeds or config.seeds
        for fold in column.folds
    ]


def table_rows(name: str, budget: str, controls: Sequence[str] | None = None) -> list[RowId]:
    """Return the rows of a table: each method with its encoder, and each control with every encoder of the table.

    `controls` are rows besides the configured methods, by default the budget's.
    """
    table = table_config(name)
    methods = _table_methods(table, budget, controls)
    pretext = {method: _encoder(table.track, method, budget) for method in methods if _is_pretext(method)}
    compared = tuple(dict.fromkeys(pretext.values())) if table.track == "native" else ()
    shared = compared or (read_budget(budget).encoder,)

    def encoders(method: MethodId) -> tuple[str, ...]:
        if _is_external(method):
            return (OWN_NETWORK,)
        return (pretext[method],) if method in pretext else shared

    return [RowId(method, encoder) for method in methods for encoder in encoders(method)]


def asked_controls(asked: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the controls that `--config controls=[...]` names, or None if it names nothing, for the budget's."""
    if asked is None:
        return None
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    check_methods(names)
    return names


def _table_methods(table: Table, budget: str, controls: Sequence[str] | None) -> list[MethodId]:
    """Return the table's own methods, else the configured ones and the controls; a probe has no row of a tool."""
    if table.methods is not None:
        return [MethodId.parse(method) for method in table.methods]
    names = read_budget(budget).controls if controls is None else controls
    besides = (
        method for method in map(MethodId.parse, names) if table.protocol == "finetune" or not _is_external(method)
    )
    return list(dict.fromkeys((*map(MethodId.parse, read_config().methods), *besides)))


def _encoder(track: Track, method: MethodId, budget: str) -> str:
    return native_encoder(method.name, budget) if track == "native" else read_budget(budget).encoder


def _is_pretext(method: MethodId) -> bool:
    return registry.method_card(method.name).is_pretext


def _is_external(method: MethodId) -> bool:
    return registry.method_card(method.name).is_external


def _eval_run(table: Table, column: Column, row: RowId, seed: int, fold: int, budget: str) -> EvalRun:
    is_pretext = _is_pretext(row.method)
    corpus = (column.corpus or dataset_corpus(column.dataset, budget)) if is_pretext else NO_CORPUS
    pretrain = PretrainRun(budget, corpus, row.method, row.encoder, seed)
    # A probe trains no weights, so there are none to choose from.
    selection = table.selection if table.protocol == "finetune" else "last"
    return EvalRun(column.dataset, column.task, fold, pretrain, table.protocol, selection, column.fraction)


def dataset_corpus(dataset: str, budget: str) -> str:
    """Return the corpus that pretrains for a dataset in a budget. Raises ConfigError if its modality has none."""
    modality = registry.dataset_card(dataset).modality
    corpus = modality_corpus(modality, budget)
    if corpus is None:
        raise ConfigError(f"{paths.config_file()}: `corpus_for` names no corpus for {modality}; {dataset} needs one.")
    return corpus


def gate(run: EvalRun, has_environments: bool = False) -> str | None:
    """Return why a run cannot be started on this machine, or None.

    Its method does not do the task, its data or its corpus are gated and absent, or its environment is not there,
    unless the machine `has_environments`, as where conda makes them.
    """
    card, kind = registry.method_card(run.pretrain.method.name), task_card(run.dataset, run.task).kind
    if kind not in card.tasks:
        return f"{', '.join(card.tasks)} only: {card.name} has no answer to {kind}"
    return _gate_data(run) or (None if has_environments else _gate_environment(card))


def _gate_environment(card: MethodCard) -> str | None:
    reason = environment.missing(card)
    return f"gated: {reason}" if reason else None


def _gate_data(run: EvalRun) -> str | None:
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
    """Return the manifest that an evaluation run reads; an external method resamples by itself."""
    is_external = _is_external(run.pretrain.method)
    task = task_card(run.dataset, run.task)
    grid = NATIVE if is_external else recipe(run.dataset, task, run.pretrain.budget, run.protocol).grid
    return paths.manifest(prepared_folder(run.dataset, run.pretrain.budget, grid))


def native_manifest(run: EvalRun) -> Path | None:
    """Return the manifest of the native grid, on which a finetuned segmentation is scored too; None for other runs."""
    is_segmented = task_card(run.dataset, run.task).kind == TaskKind.segmentation
    if not is_segmented or run.protocol != "finetune":
        return None
    return paths.manifest(prepared_folder(run.dataset, run.pretrain.budget, NATIVE))


def contamination_manifests(corpus: str, dataset: str, budget: str) -> dict[str, Path]:
    """Return what the contamination gate reads: the manifest of each dataset on its native grid, by its name."""
    names = [*(member.dataset for member in corpus_config(corpus).members), dataset]
    return {name: paths.manifest(prepared_folder(name, budget, NATIVE)) for name in names}


def contamination_facts(corpus: str, dataset: str, task: str) -> str:
    """Return what decides a record of the contamination gate besides the prepared cases."""
    card = task_card(dataset, task)
    return f"{VERSION} {card.split} {card.inputs} {card.target} {corpus_config(corpus).members}"
