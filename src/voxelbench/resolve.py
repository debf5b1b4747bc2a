"""Specs: the one frozen object that a run receives, resolved from all config files. Its sha256 is the run's identity.

Snakemake's own process imports this module: no torch here.
"""

import hashlib
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Literal

import yaml

from voxelbench import PROTOCOL, paths, registry
from voxelbench.cards import DatasetCard, TaskCard, TaskKind
from voxelbench.config import (
    Budget,
    Member,
    RecipeFile,
    Settings,
    budget_lineage,
    check_variant,
    corpus_config,
    merge,
    read_budget,
    read_encoder,
    read_method,
    task_card,
)
from voxelbench.errors import ConfigError, nearest
from voxelbench.recipes import RECIPES, Recipe, recipe_name
from voxelbench.runs import NO_CORPUS, EvalRun, MethodId, PretrainRun, Protocol, Selection
from voxelbench.settings import AnyPreset, MethodConfig
from voxelbench.validation import Strict, parse, read_yaml

PROBED: dict[Protocol, tuple[TaskKind, str]] = {
    "token_probe": (TaskKind.segmentation, "labelled voxels"),
    "case_probe": (TaskKind.classification, "a class for each case"),
}
"""The kind of task that a probe is for, and what it needs of it."""


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
    encoder: AnyPreset
    seed: int
    device: Literal["cpu", "cuda"]
    threads: int
    settings: Settings


class EvalSpec(Strict):
    """Everything that decides the scores of an evaluation run.

    An external method has a network of its own, so no encoder, and its settings for a recipe.
    """

    protocol: int
    budget: str
    data: Literal["real", "phantom"]
    dataset: str
    dataset_version: int
    twin_version: int | None
    task: TaskCard
    selection: Selection
    finetuning: Protocol
    fraction: float
    fold: int
    corpus: str
    pretrain_sha256: str
    method: str
    method_version: int
    encoder: AnyPreset | None
    seed: int
    device: Literal["cpu", "cuda"]
    threads: int
    recipe: Settings

    @property
    def preset(self) -> AnyPreset:
        """The encoder that is built for the run."""
        assert self.encoder is not None, "an external method builds its own network"
        return self.encoder


def method_settings(method: MethodId, budget: str) -> Settings:
    """Return a method's merged settings: its numbers < variant < ablation < the budget's < its own for that budget.

    Its own for a budget that this one extends come before its own for this one.
    """
    file = read_method(method.name)
    return _lay_over(
        method, budget, file.settings.keys() | MethodConfig.model_fields.keys(), read_budget(budget).pretrain
    )


def external_settings(method: MethodId, budget: str) -> Settings:
    """Return an external method's merged settings: its numbers < variant < its own for the budget."""
    return _lay_over(method, budget, read_method(method.name).settings.keys())


def _lay_over(method: MethodId, budget: str, known: Set[str], shared: Settings | None = None) -> Settings:
    """Return a method's settings with all that is laid over them; `shared` is the budget's, for every method."""
    check_variant(method)
    file = read_method(method.name)
    overrides = (
        file.variants[method.variant] if method.variant else None,
        file.ablations[method.ablation] if method.ablation else None,
        shared,
        *(file.budgets.get(each) for each in budget_lineage(budget)),
    )
    for key in (key for override in overrides for key in override or {}):
        if key not in known:
            path = registry.folder("methods", method.name) / registry.CONFIG
            raise ConfigError(f"{path} with budget {budget}: unknown key '{key}'.{nearest(key, known)}")
    return merge(file.settings, *overrides)


def method_config(method: MethodId, budget: str, override: Settings | None = None) -> MethodConfig:
    """Return the validated config of a method, `override` laid on last; imports the plug-in, and so torch."""
    path = registry.folder("methods", method.name) / registry.CONFIG
    settings = merge(method_settings(method, budget), override)
    return parse(registry.load_method(method.name).Config, settings, str(path))


def recipe(dataset: str, task: TaskCard, budget: str, protocol: Protocol = "finetune") -> Recipe:
    """Return the recipe of a task: the file's < the dataset's < the budget's < the budget's for that dataset.

    Raises ConfigError for the probe of a task that lacks what it predicts.
    """
    probed, needed = PROBED.get(protocol, (task.kind, ""))
    if task.kind != probed:
        probe = protocol.replace("_", " ")
        raise ConfigError(f"{dataset}, {task.name}: a {probe} needs {needed}; name a {probed} task.")
    name = recipe_name(task.kind, protocol)
    path = paths.recipes() / f"{name}.yaml"
    file = parse(RecipeFile, read_yaml(path), str(path))
    override = read_budget(budget).recipes.get(name, RecipeFile())
    _check_datasets(file, path)
    _check_datasets(override, paths.budgets() / f"{budget}.yaml")
    merged = merge(file.settings, *_of_task(file, dataset, task), override.settings, *_of_task(override, dataset, task))
    return parse(RECIPES[name], merged, f"{path} with budget {budget}, {dataset}")


def _check_datasets(file: RecipeFile, path: Path) -> None:
    known = registry.names("datasets")
    for name in file.datasets:
        if name.split(".")[0] not in known:
            raise ConfigError(f"{path}: key 'datasets.{name}' names no dataset.{nearest(name, known)}")


def _of_task(file: RecipeFile, dataset: str, task: TaskCard) -> Iterator[Settings | None]:
    yield file.datasets.get(dataset)
    yield file.datasets.get(f"{dataset}.{task.name}")


def data_kind(card: DatasetCard, budget: Budget) -> Literal["real", "phantom"]:
    """Return which data a budget uses of a dataset; one without a twin is always real."""
    return budget.data if card.twin is not None else "real"


def pretrain_spec(run: PretrainRun) -> PretrainSpec:
    """Resolve a pretraining run."""
    budget = read_budget(run.budget)
    members = corpus_config(run.corpus).members
    cards = {member.dataset: registry.dataset_card(member.dataset) for member in members}
    kinds = {data_kind(card, budget) for card in cards.values()}
    if len(kinds) != 1:
        raise ConfigError(
            f"corpus '{run.corpus}' mixes real and synthetic datasets in budget {run.budget}; keep them apart."
        )
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
    method = registry.method_card(run.pretrain.method.name)
    check_variant(run.pretrain.method)
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
        selection=run.selection,
        finetuning=run.protocol,
        fraction=run.fraction,
        fold=run.fold,
        corpus=run.pretrain.corpus,
        pretrain_sha256=spec_sha256(pretrain_spec(run.pretrain)) if has_corpus else "",
        method=str(run.pretrain.method),
        method_version=method.version,
        encoder=None if method.is_external else read_encoder(run.pretrain.encoder),
        seed=run.pretrain.seed,
        device=budget.device,
        threads=budget.threads,
        recipe=_how(run, method.is_external, task),
    )


def _how(run: EvalRun, is_external: bool, task: TaskCard) -> Settings:
    if is_external:
        return external_settings(run.pretrain.method, run.pretrain.budget)
    return recipe(run.dataset, task, run.pretrain.budget, run.protocol).model_dump(mode="json")


def spec_yaml(spec: Strict) -> str:
    """Return a spec as YAML: the bytes whose sha256 is the run's identity."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=True, width=120)


def spec_sha256(spec: Strict) -> str:
    """Return the identity of a run."""
    return hashlib.sha256(spec_yaml(spec).encode()).hexdigest()
