"""Config: what to run, and for how long, read strictly. `resolve` makes specs of it, `expand` makes runs.

    config/config.yaml           what to run
    config/budgets/B.yaml        how long, on which data, with which encoder
    config/encoders/E.yaml       a network, whole
    config/recipes/K.yaml        how a task of kind K is finetuned
    methods/M/config.yaml        a pretext method's numbers
    datasets/D/card.yaml         facts

Snakemake's own process imports this module: no torch here.
"""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from voxelbench import paths, registry
from voxelbench.cards import TaskCard, TaskKind
from voxelbench.errors import ConfigError, nearest
from voxelbench.runs import MethodId
from voxelbench.settings import EncoderPreset
from voxelbench.validation import Strict, parse, read_yaml

Settings = dict[str, Any]
"""Keys of a `Training`, not yet merged and validated."""


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


class MethodFile(Strict):
    """`methods/<name>/config.yaml`: settings, and what a variant, an ablation or a budget lays over them."""

    settings: Settings
    variants: dict[str, Settings | None] = Field(default_factory=dict)
    ablations: dict[str, Settings | None] = Field(default_factory=dict)
    budgets: dict[str, Settings] = Field(default_factory=dict)


class RecipeFile(Strict):
    """`config/recipes/<kind>.yaml`: settings, and what a dataset or a task of it (`dataset.task`) lays over them."""

    settings: Settings = Field(default_factory=dict)
    datasets: dict[str, Settings] = Field(default_factory=dict)


class Budget(Strict):
    """`config/budgets/<name>.yaml`: overrides for methods and recipes, and what they run on."""

    name: str
    title: str
    data: Literal["real", "phantom"]
    encoder: str
    device: Literal["cpu", "cuda"]
    threads: int
    workers: int
    pretrain: Settings
    recipes: dict[TaskKind, RecipeFile]


@cache
def read_config() -> Config:
    """Read `config/config.yaml` of the checkout and check every name in it. Raises ConfigError."""
    path = paths.config_file()
    config = parse(Config, read_yaml(path), str(path))
    _check_methods(config)
    _check_columns(config, path)
    _check_corpora(config, path)
    read_budget(config.budget)
    return config


def _check_methods(config: Config) -> None:
    for method in (*config.methods, *(name for table in config.tables.values() for name in table.methods or ())):
        check_variant(MethodId.parse(method))


def _check_columns(config: Config, path: Path) -> None:
    for table in config.tables.values():
        for column in table.columns:
            task_card(column.dataset, column.task)
            _known("corpus", column.corpus, config.corpora, path)


def _check_corpora(config: Config, path: Path) -> None:
    for name in config.corpus_for.values():
        _known("corpus", name, config.corpora, path)
    for name, corpus in config.corpora.items():
        if not corpus.members:
            raise ConfigError(f"{path}: corpus '{name}' is empty; name at least one dataset and channel in `members`.")
    for member in (member for corpus in config.corpora.values() for member in corpus.members):
        card = registry.dataset_card(member.dataset)
        _known(f"channel of {card.name}", member.channel, card.channels, path)
        _known(f"split of {card.name}", member.split, card.splits, path)


def _known(what: str, name: str | None, known: Collection[str], path: Path) -> None:
    if name is not None and name not in known:
        raise ConfigError(f"{path}: there is no {what} '{name}'.{nearest(name, known)}")


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
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = (other.stem for other in folder.glob("*.yaml"))
        raise ConfigError(f"There is no {kind} '{name}' in {folder}.{nearest(name, known)}")
    return read_yaml(path)


def read_method(name: str) -> MethodFile:
    """Read `methods/<name>/config.yaml`."""
    path = registry.folder("methods", name) / registry.CONFIG
    return parse(MethodFile, read_yaml(path), str(path))


def check_variant(method: MethodId) -> None:
    """Raise ConfigError, naming the nearest, for a variant or an ablation that the method does not have."""
    file, path = read_method(method.name), registry.folder("methods", method.name) / registry.CONFIG
    _known("variant", method.variant or None, file.variants, path)
    _known("ablation", method.ablation or None, file.ablations, path)


def task_card(dataset: str, task: str) -> TaskCard:
    """Return a task of a dataset. Raises ConfigError, naming the nearest, if there is none."""
    card = registry.dataset_card(dataset)
    try:
        return card.task(task)
    except KeyError:
        known = (each.name for each in card.tasks)
        raise ConfigError(f"{dataset} has no task '{task}'.{nearest(task, known)}") from None


def table_config(name: str) -> Table:
    """Return a table of the config. Raises ConfigError for one that it does not declare."""
    tables = read_config().tables
    if name not in tables:
        raise ConfigError(f"{paths.config_file()} declares no table '{name}'.{nearest(name, tables)}")
    return tables[name]
