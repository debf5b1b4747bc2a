"""Config: what to run, and for how long, read strictly. `resolve` makes specs of it, `expand` makes runs.

    config/config.yaml           what to run
    config/budgets/B.yaml        how long, on which data, with which encoder
    config/encoders/E.yaml       a network, whole
    config/recipes/K.yaml        how a task of kind K is finetuned, or probed
    methods/M/config.yaml        a pretext method's numbers
    datasets/D/card.yaml         facts

Snakemake's own process imports this module: no torch here.
"""

from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field

from voxelbench import paths, registry
from voxelbench.analysis.settings import AnyAnalysis
from voxelbench.cards import TaskCard
from voxelbench.errors import ConfigError, nearest
from voxelbench.recipes import RecipeName
from voxelbench.runs import RANDOM, TOKEN_PROBE, MethodId, Protocol, Selection, Track
from voxelbench.settings import PRESETS, AnyPreset
from voxelbench.validation import Strict, parse, read_yaml

Settings = dict[str, Any]
"""Keys of a `Training` or a `Recipe`, not yet merged and validated."""


def merge(base: Settings, *overrides: Settings | None) -> Settings:
    """Return `base` with the overrides laid on: mappings key by key, everything else replaced."""
    merged = dict(base)
    for override in overrides:
        for key, value in (override or {}).items():
            both_mappings = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = merge(merged[key], value) if both_mappings else value
    return merged


class Member(Strict):
    """Cases of one dataset in a corpus: one part of one split, one channel.

    `n` is how many a publication counts there. It decides nothing, so it stays out of specs.
    """

    dataset: str
    channel: str
    part: Literal["train"] = "train"
    split: str | None = None
    n: int | None = Field(None, exclude=True)


class Corpus(Strict):
    """What an encoder is pretrained on, and `source`, where its list of members comes from."""

    title: str
    source: str
    members: tuple[Member, ...]


class Column(Strict):
    """One column of a table: a task of a dataset, over some folds. `corpus` overrides the one of the modality.

    `fraction` of the training patients carry labels.
    """

    name: str
    dataset: str
    task: str
    folds: tuple[int, ...] = (0,)
    corpus: str | None = None
    fraction: float = Field(1.0, gt=0, le=1)


class Table(Strict):
    """One table: its columns, and its budget, rows and seeds where they are not those of the whole config.

    On the `common` track all rows share the budget's encoder, on the `native` track each method has its own network,
    and a control has a row for each of these.
    """

    title: str
    columns: tuple[Column, ...]
    protocol: Protocol = "finetune"
    selection: Selection = "harness"
    track: Track = "common"
    budget: str | None = None
    methods: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    average: bool = False


class Site(Strict):
    """What the static site shows: tables, the first of them as its leaderboard, and figures; by default all of them."""

    tables: tuple[str, ...] = (paths.MAIN_TABLE,)
    figures: tuple[str, ...] | None = None


class Config(Strict):
    """`config/config.yaml`. `figures` are read by `voxelbench.figure_inputs`, each by the model of its kind.

    `leaderboard` names the tables whose values are exported, and compared with published ones.
    """

    budget: str
    data_root: Path
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    corpora: dict[str, Corpus]
    corpus_for: dict[str, str]
    tables: dict[str, Table]
    figures: dict[str, Settings] = Field(default_factory=dict)
    analyses: dict[str, AnyAnalysis] = Field(default_factory=dict)
    site: Site = Site()
    leaderboard: tuple[str, ...] = ()


class MethodFile(Strict):
    """`methods/<name>/config.yaml`: settings, and what a variant, an ablation or a budget lays over them.

    `native` names the encoder preset of the authors' own network, by budget.
    """

    native: dict[str, str] = Field(default_factory=dict)
    settings: Settings
    variants: dict[str, Settings | None] = Field(default_factory=dict)
    ablations: dict[str, Settings | None] = Field(default_factory=dict)
    budgets: dict[str, Settings] = Field(default_factory=dict)


class RecipeFile(Strict):
    """`config/recipes/<kind>.yaml`: settings, and what a dataset or a task of it (`dataset.task`) lays over them."""

    settings: Settings = Field(default_factory=dict)
    datasets: dict[str, Settings] = Field(default_factory=dict)


class Budget(Strict):
    """`config/budgets/<name>.yaml`: overrides for methods and recipes, and what they run on.

    What a budget does not say is as in the one that it `extends`. A pretraining run is shared out among `processes`,
    each with its own `threads`, `workers` and GPU. `controls` are rows besides the config's `methods`; `corpus_for` is
    laid over the config's, `leaderboard` stands in for it.
    """

    name: str
    extends: str | None = None
    title: str
    data: Literal["real", "phantom"]
    encoder: str
    device: Literal["cpu", "cuda"]
    threads: int
    workers: int
    processes: int = Field(1, gt=0)
    corpus_for: dict[str, str] = Field(default_factory=dict)
    controls: tuple[str, ...] = ()
    leaderboard: tuple[str, ...] | None = None
    pretrain: Settings
    recipes: dict[RecipeName, RecipeFile]


@cache
def read_config() -> Config:
    """Read `config/config.yaml` of the checkout and check every name in it. Raises ConfigError."""
    path = paths.config_file()
    config = parse(Config, read_yaml(path), str(path))
    chosen = (*config.tables.values(), *config.analyses.values())
    check_methods((*config.methods, *(name for each in chosen for name in each.methods or ())))
    _check_columns(config, path)
    _check_corpora(config, path)
    _check_probes(config, path)
    for table in config.site.tables:
        _known("table", table, config.tables, path)
    for budget in {config.budget, *(table.budget or config.budget for table in config.tables.values())}:
        check_methods(read_budget(budget).controls)
    return config


def check_methods(names: Iterable[str]) -> None:
    """Raise ConfigError, naming the nearest, for a method, variant or ablation that does not exist."""
    for name in names:
        check_variant(MethodId.parse(name))


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


def _check_probes(config: Config, path: Path) -> None:
    for name, table in config.tables.items():
        methods = {str(MethodId.parse(method)) for method in table.methods or config.methods}
        if table.protocol == TOKEN_PROBE and str(RANDOM) not in methods:
            raise ConfigError(f"{path}: table '{name}' compares with the random encoder; add {RANDOM} to its methods.")
        for method in table.methods or config.methods:
            if table.protocol == TOKEN_PROBE and registry.method_card(MethodId.parse(method).name).is_external:
                raise ConfigError(f"{path}: table '{name}' probes encoders, and {method} has none; leave it out.")


def _known(what: str, name: str | None, known: Collection[str], path: Path) -> None:
    if name is not None and name not in known:
        raise ConfigError(f"{path}: there is no {what} '{name}'.{nearest(name, known)}")


@cache
def read_budget(name: str) -> Budget:
    """Read `config/budgets/<name>.yaml`. Raises ConfigError for a budget that does not exist."""
    content: Settings = {}
    for each in budget_lineage(name):
        content = merge(content, _read_named("budget", paths.budgets(), each))
        # One by one, so that a wrong key is reported in the file that has it.
        budget = parse(Budget, {**content, "name": each}, str(paths.budgets() / f"{each}.yaml"))
    return budget


def budget_lineage(name: str) -> tuple[str, ...]:
    """Return the names of a budget and of those that it extends, the first of them first.

    Raises ConfigError for a budget that does not exist, or that extends itself.
    """
    lineage: tuple[str, ...] = (name,)
    while parent := _read_named("budget", paths.budgets(), lineage[0]).get("extends"):
        if parent in lineage:
            raise ConfigError(
                f"{paths.budgets() / f'{lineage[0]}.yaml'}: extends '{parent}', which extends it; remove one `extends`."
            )
        lineage = (parent, *lineage)
    return lineage


@cache
def read_encoder(name: str) -> AnyPreset:
    """Read `config/encoders/<name>.yaml`."""
    content, path = _read_named("encoder", paths.encoders(), name), paths.encoders() / f"{name}.yaml"
    family = str(content.get("family"))
    _known("family of networks", family, PRESETS, path)
    return cast(AnyPreset, parse(PRESETS[family], {"name": name, **content}, str(path)))


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


def native_encoder(method: str, budget: str) -> str:
    """Return the encoder preset of a method's own network. Raises ConfigError if its config names none."""
    native = read_method(method).native
    for each in reversed(budget_lineage(budget)):
        if each in native:
            return native[each]
    path = registry.folder("methods", method) / registry.CONFIG
    raise ConfigError(f"{path}: `native` names no encoder for budget {budget}; add one, a file of {paths.encoders()}.")


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


def corpus_config(name: str) -> Corpus:
    """Return a corpus of the config. Raises ConfigError, naming the nearest, if there is none."""
    corpora = read_config().corpora
    if name not in corpora:
        raise ConfigError(f"{paths.config_file()}: there is no corpus '{name}'.{nearest(name, corpora)}")
    return corpora[name]


def table_config(name: str) -> Table:
    """Return a table of the config. Raises ConfigError for one that it does not declare."""
    tables = read_config().tables
    if name not in tables:
        raise ConfigError(f"{paths.config_file()} declares no table '{name}'.{nearest(name, tables)}")
    return tables[name]


def modality_corpus(modality: str, budget: str) -> str | None:
    """Return the corpus that pretrains for datasets of a modality in a budget, or None if there is none."""
    config = read_config()
    name = {**config.corpus_for, **read_budget(budget).corpus_for}.get(modality)
    _known("corpus", name, config.corpora, paths.budgets() / f"{budget}.yaml")
    return name


def leaderboard_tables(budget: str) -> tuple[str, ...]:
    """Return the tables whose values a budget exports, and compares with published ones.

    Raises ConfigError for one that the config does not declare.
    """
    named = read_budget(budget).leaderboard
    tables = read_config().leaderboard if named is None else named
    for table in tables:
        table_config(table)
    return tables


def table_budget(table: str, asked: str | None) -> str:
    """Return the budget that a table is made with: the one asked for, else its own, else the configured one."""
    return asked or table_config(table).budget or read_config().budget
