"""Config: one direction, one object. YAML files go in; a frozen spec, the only thing a loop receives, comes out.

    config/config.yaml           what to run
    config/budgets/B.yaml        how long, on which data, with which encoder
    config/encoders/E.yaml       a network, whole
    config/recipes/K.yaml        how a task of kind K is finetuned
    methods/M/config.yaml        a pretext method's numbers
    datasets/D/card.yaml         facts

Snakemake's own process imports this module: no torch here.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from voxelbench import PROTOCOL, paths, registry
from voxelbench.cards import DatasetCard, TaskCard, TaskKind
from voxelbench.data.grid import grid_name
from voxelbench.errors import ConfigError, nearest
from voxelbench.recipes import RECIPES, Recipe
from voxelbench.settings import EncoderPreset, MethodConfig
from voxelbench.validation import Strict, parse, read_yaml

NO_CORPUS = "none"


class Member(Strict):
    """Cases of one dataset in a corpus: one part of one split, one channel."""

    dataset: str
    channel: str
    part: Literal["train"] = "train"
    split: str | None = None


class Corpus(Strict):
    """What an encoder is pretrained on."""

    title: str
    members: tuple[Member, ...]


class Column(Strict):
    """One column of a table: a task of a dataset, over some folds. `corpus` overrides the one of the modality."""

    name: str
    dataset: str
    task: str
    folds: tuple[int, ...] = (0,)
    corpus: str | None = None


class Table(Strict):
    """One table: its columns, and its rows where they are not those of the whole config."""

    title: str
    columns: tuple[Column, ...]
    methods: tuple[str, ...] | None = None
    average: bool = False


class Config(Strict):
    """`config/config.yaml`."""

    budget: str
    data_root: Path
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    corpora: dict[str, Corpus]
    corpus_for: dict[str, str]
    tables: dict[str, Table]


class Budget(Strict):
    """`config/budgets/<name>.yaml`: overrides for methods and recipes, and what they run on."""

    name: str
    title: str
    data: Literal["real", "phantom"]
    encoder: str
    device: Literal["cpu", "cuda"]
    threads: int
    workers: int
    pretrain: dict[str, Any]
    recipes: dict[TaskKind, dict[str, Any]]


@dataclass(frozen=True)
class MethodId:
    """A row of a table: `name[.variant[.ablation]]`, as in paths and on the command line."""

    name: str
    variant: str = ""
    ablation: str = ""

    @classmethod
    def parse(cls, text: str) -> "MethodId":
        """Read "s2dc", "s2dc.code" or "s2dc.code.g". A pretext method without a variant means `code`."""
        name, variant, ablation, *extra = [*text.split("."), "", ""]
        if any(extra):
            raise ConfigError(f"method '{text}': expected name, name.variant or name.variant.ablation.")
        is_pretext = registry.method_card(name).kind == "pretext"
        return cls(name, variant or ("code" if is_pretext else ""), ablation)

    def __str__(self) -> str:
        return ".".join(part for part in (self.name, self.variant, self.ablation) if part)


class PretrainSpec(Strict):
    """Everything that decides the weights of a pretraining run."""

    protocol: int
    budget: str
    data: Literal["real", "phantom"]
    corpus: str
    members: tuple[Member, ...]
    datasets: dict[str, int]
    method: str
    method_version: int
    encoder: EncoderPreset
    seed: int
    device: Literal["cpu", "cuda"]
    threads: int
    settings: dict[str, Any]


class EvalSpec(Strict):
    """Everything that decides the scores of an evaluation run."""

    protocol: int
    budget: str
    data: Literal["real", "phantom"]
    dataset: str
    dataset_version: int
    twin_version: int | None
    task: TaskCard
    selection: Literal["last"]
    finetuning: Literal["finetune"]
    fraction: float
    fold: int
    corpus: str
    pretrain_sha256: str
    method: str
    method_version: int
    encoder: EncoderPreset
    seed: int
    device: Literal["cpu", "cuda"]
    threads: int
    recipe: dict[str, Any]


@dataclass(frozen=True)
class PretrainRun:
    """The identity of a pretraining run, as its path spells it."""

    budget: str
    corpus: str
    method: MethodId
    encoder: str
    seed: int

    def folder(self) -> Path:
        """Return the run's folder."""
        return paths.pretrain_run(self.budget, corpus=self.corpus, method=self.method, encoder=self.encoder, seed=self.seed)


@dataclass(frozen=True)
class EvalRun:
    """The identity of an evaluation run, as its path spells it."""

    dataset: str
    task: str
    fold: int
    pretrain: PretrainRun
    selection: str = "last"
    protocol: str = "finetune"
    fraction: float = 1.0

    def folder(self) -> Path:
        """Return the run's folder."""
        return paths.evaluate_run(
            self.pretrain.budget,
            dataset=self.dataset,
            task=self.task,
            selection=self.selection,
            protocol=self.protocol,
            fraction=f"{self.fraction:g}",
            corpus=self.pretrain.corpus,
            method=self.pretrain.method,
            encoder=self.pretrain.encoder,
            seed=self.pretrain.seed,
            fold=self.fold,
        )


def merge(base: dict[str, Any], *overrides: dict[str, Any] | None) -> dict[str, Any]:
    """Return `base` with the overrides laid on: mappings key by key, everything else replaced."""
    merged = dict(base)
    for override in overrides:
        for key, value in (override or {}).items():
            both_mappings = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = merge(merged[key], value) if both_mappings else value
    return merged


# Reading.


@cache
def read_config() -> Config:
    """Read `config/config.yaml` of the checkout and check every name in it. Raises ConfigError."""
    path = paths.config_file()
    config = parse(Config, read_yaml(path), str(path))
    for method in (*config.methods, *(name for table in config.tables.values() for name in table.methods or ())):
        MethodId.parse(method)
    for table in config.tables.values():
        for column in table.columns:
            task_card(column.dataset, column.task)
    named = {*config.corpus_for.values(), *(c.corpus for t in config.tables.values() for c in t.columns if c.corpus)}
    for corpus in named - config.corpora.keys():
        raise ConfigError(f"{path}: there is no corpus '{corpus}'.{nearest(corpus, config.corpora)}")
    read_budget(config.budget)
    return config


@cache
def read_budget(name: str) -> Budget:
    """Read `config/budgets/<name>.yaml`. Raises ConfigError for a budget that does not exist."""
    content = _read_named("budget", paths.budgets(), name)
    return parse(Budget, {"name": name, **content}, str(paths.budgets() / f"{name}.yaml"))


@cache
def read_encoder(name: str) -> EncoderPreset:
    """Read `config/encoders/<name>.yaml`."""
    content = _read_named("encoder", paths.encoders(), name)
    return parse(EncoderPreset, {"name": name, **content}, str(paths.encoders() / f"{name}.yaml"))


def _read_named(kind: str, folder: Path, name: str) -> dict[str, Any]:
    if not (folder / f"{name}.yaml").is_file():
        raise ConfigError(f"There is no {kind} '{name}' in {folder}.{nearest(name, (path.stem for path in folder.glob('*.yaml')))}")
    return read_yaml(folder / f"{name}.yaml")


def task_card(dataset: str, task: str) -> TaskCard:
    """Return a task of a dataset. Raises ConfigError, naming the nearest, if there is none."""
    card = registry.dataset_card(dataset)
    try:
        return card.task(task)
    except KeyError:
        raise ConfigError(f"{dataset} has no task '{task}'.{nearest(task, (each.name for each in card.tasks))}") from None


def table_config(name: str) -> Table:
    """Return a table of the config. Raises ConfigError for one that it does not declare."""
    tables = read_config().tables
    if name not in tables:
        raise ConfigError(f"{paths.config_file()} declares no table '{name}'.{nearest(name, tables)}")
    return tables[name]


# Resolving.


def method_settings(method: MethodId, budget: str) -> dict[str, Any]:
    """Return the merged settings of a method: its numbers < variant < ablation < the budget's < its own for that budget."""
    path = registry.folder("methods", method.name) / registry.CONFIG
    content = read_yaml(path)
    unknown = content.keys() - {"settings", "variants", "ablations", "budgets"}
    if unknown:
        raise ConfigError(f"{path}: unknown key '{min(unknown)}'.{nearest(min(unknown), ('settings', 'variants', 'ablations', 'budgets'))}")
    return merge(
        content["settings"],
        _choose(content, "variants", method.variant, path),
        _choose(content, "ablations", method.ablation, path) if method.ablation else None,
        read_budget(budget).pretrain,
        content.get("budgets", {}).get(budget),
    )


def _choose(content: dict[str, Any], group: str, name: str, path: Path) -> dict[str, Any]:
    offered = content.get(group, {})
    if name not in offered:
        raise ConfigError(f"{path}: there is no '{name}' under {group}.{nearest(name, offered)}")
    return offered[name] or {}


def method_config(method: MethodId, budget: str) -> MethodConfig:
    """Return the validated config of a method; imports the plug-in, and so torch."""
    path = registry.folder("methods", method.name) / registry.CONFIG
    return parse(registry.load_method(method.name).Config, method_settings(method, budget), str(path))


def recipe(dataset: str, task: TaskCard, budget: str) -> Recipe:
    """Return the recipe of a task: the kind's < the dataset's < the budget's < the budget's for that dataset."""
    path = paths.recipes() / f"{task.kind}.yaml"
    content, override = read_yaml(path), read_budget(budget).recipes.get(task.kind, {})
    merged = merge(content["settings"], *(_for_task(content, dataset, task)), override.get("settings"), *(_for_task(override, dataset, task)))
    return parse(RECIPES[task.kind], merged, f"{path} with budget {budget}, {dataset}")


def _for_task(content: dict[str, Any], dataset: str, task: TaskCard) -> Iterator[dict[str, Any] | None]:
    yield content.get("datasets", {}).get(dataset)
    yield content.get("datasets", {}).get(f"{dataset}.{task.name}")


def data_kind(card: DatasetCard, budget: Budget) -> Literal["real", "phantom"]:
    """Return which data a budget uses of a dataset; one without a twin is always real."""
    return budget.data if card.twin is not None else "real"


def pretrain_spec(run: PretrainRun) -> PretrainSpec:
    """Resolve a pretraining run."""
    budget = read_budget(run.budget)
    corpora = read_config().corpora
    if run.corpus not in corpora:
        raise ConfigError(f"there is no corpus '{run.corpus}'.{nearest(run.corpus, corpora)}")
    members = corpora[run.corpus].members
    cards = {member.dataset: registry.dataset_card(member.dataset) for member in members}
    kinds = {data_kind(card, budget) for card in cards.values()}
    if len(kinds) != 1:
        raise ConfigError(f"corpus '{run.corpus}' mixes real and synthetic datasets in budget {run.budget}; keep them apart.")
    return PretrainSpec(
        protocol=PROTOCOL,
        budget=run.budget,
        data=kinds.pop(),
        corpus=run.corpus,
        members=members,
        datasets={name: _data_version(card, budget) for name, card in cards.items()},
        method=str(run.method),
        method_version=registry.method_card(run.method.name).version,
        encoder=read_encoder(run.encoder),
        seed=run.seed,
        device=budget.device,
        threads=budget.threads,
        settings=method_settings(run.method, run.budget),
    )


def _data_version(card: DatasetCard, budget: Budget) -> int:
    return card.twin.version if card.twin is not None and budget.data == "phantom" else card.version


def eval_spec(run: EvalRun) -> EvalSpec:
    """Resolve an evaluation run."""
    budget = read_budget(run.pretrain.budget)
    card = registry.dataset_card(run.dataset)
    task = task_card(run.dataset, run.task)
    has_corpus = run.pretrain.corpus != NO_CORPUS
    return EvalSpec(
        protocol=PROTOCOL,
        budget=budget.name,
        data=data_kind(card, budget),
        dataset=run.dataset,
        dataset_version=card.version,
        twin_version=card.twin.version if card.twin else None,
        task=task,
        selection=run.selection,  # type: ignore[arg-type]
        finetuning=run.protocol,  # type: ignore[arg-type]
        fraction=run.fraction,
        fold=run.fold,
        corpus=run.pretrain.corpus,
        pretrain_sha256=spec_sha256(pretrain_spec(run.pretrain)) if has_corpus else "",
        method=str(run.pretrain.method),
        method_version=registry.method_card(run.pretrain.method.name).version,
        encoder=read_encoder(run.pretrain.encoder),
        seed=run.pretrain.seed,
        device=budget.device,
        threads=budget.threads,
        recipe=recipe(run.dataset, task, budget.name).model_dump(mode="json"),
    )


def spec_yaml(spec: Strict) -> str:
    """Return a spec as YAML: the bytes whose sha256 is the run's identity."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=True, width=120)


def spec_sha256(spec: Strict) -> str:
    """Return the identity of a run."""
    return hashlib.sha256(spec_yaml(spec).encode()).hexdigest()


# Expanding: which runs a table needs.


def table_runs(name: str, budget: str) -> list[tuple[Column, EvalRun]]:
    """Return every run behind a table, column by column, gated or not."""
    config, table = read_config(), table_config(name)
    return [
        (column, _eval_run(column, MethodId.parse(method), seed, fold, budget))
        for column in table.columns
        for method in table.methods or config.methods
        for seed in config.seeds
        for fold in column.folds
    ]


def _eval_run(column: Column, method: MethodId, seed: int, fold: int, budget: str) -> EvalRun:
    config = read_config()
    is_pretext = registry.method_card(method.name).kind == "pretext"
    corpus = (column.corpus or config.corpus_for[registry.dataset_card(column.dataset).modality]) if is_pretext else NO_CORPUS
    pretrain = PretrainRun(budget, corpus, method, read_budget(budget).encoder, seed)
    return EvalRun(column.dataset, column.task, fold, pretrain)


def gate(run: EvalRun) -> str | None:
    """Return why a run cannot be started on this machine, or None: its data, or its corpus, are gated and absent."""
    needed = {run.dataset}
    if run.pretrain.corpus != NO_CORPUS:
        needed |= {member.dataset for member in read_config().corpora[run.pretrain.corpus].members}
    reasons = [reason for dataset in sorted(needed) if (reason := _gate_dataset(dataset, run.pretrain.budget))]
    return reasons[0] if reasons else None


def _gate_dataset(dataset: str, budget: str) -> str | None:
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
    members = read_config().corpora[run.corpus].members
    return {member.dataset: paths.manifest(prepared_folder(member.dataset, run.budget, grid)) for member in members}


def eval_manifest(run: EvalRun) -> Path:
    """Return the manifest that an evaluation run reads."""
    grid = recipe(run.dataset, task_card(run.dataset, run.task), run.pretrain.budget).grid
    return paths.manifest(prepared_folder(run.dataset, run.pretrain.budget, grid))
