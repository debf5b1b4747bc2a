"""What an analysis reads: encoders, cases, and what decides its numbers.

Snakemake's own process imports this module: no torch here.
"""

from pathlib import Path

from voxelbench import paths, registry
from voxelbench.analysis.settings import AnyAnalysis, Scene
from voxelbench.config import read_budget, read_config
from voxelbench.errors import ConfigError, nearest
from voxelbench.evaluate.labels import task_classes
from voxelbench.expand import dataset_corpus, eval_manifest, gate
from voxelbench.resolve import EvalSpec, eval_spec, spec_sha256
from voxelbench.runs import NO_CORPUS, RANDOM, EvalRun, MethodId, PretrainRun


def analysis_settings(name: str) -> AnyAnalysis:
    """Return an analysis of the config. Raises ConfigError, naming the nearest, for one that it does not declare."""
    analyses = read_config().analyses
    if name not in analyses:
        raise ConfigError(f"{paths.config_file()} declares no analysis '{name}'.{nearest(name, analyses)}")
    return analyses[name]


def scene_runs(settings: AnyAnalysis, scene: Scene, budget: str) -> list[EvalRun]:
    """Return the token probe of each encoder on a scene, gated or not: the analysis reads its cases and weights.

    An external method brings its own network, so it is left out; every other control is the random encoder.
    """
    encoders: dict[PretrainRun, None] = {}
    for method in map(MethodId.parse, settings.methods or read_config().methods):
        card = registry.method_card(method.name)
        if not card.is_external:
            corpus = dataset_corpus(scene.dataset, budget) if card.is_pretext else NO_CORPUS
            shown = method if card.is_pretext else RANDOM
            encoders[PretrainRun(budget, corpus, shown, read_budget(budget).encoder, settings.seed)] = None
    return [EvalRun(scene.dataset, scene.task, 0, encoder, protocol="token_probe") for encoder in encoders]


def scene_spec(run: EvalRun, scene: Scene) -> EvalSpec:
    """Return the spec of a token probe that reads the scene's channel alone."""
    spec = eval_spec(run)
    return spec.model_copy(update={"task": spec.task.model_copy(update={"inputs": (scene.channel,)})})


def check_scene(scene: Scene, anchors: tuple[str, ...] = ()) -> None:
    """Raise ConfigError, naming the nearest, for a channel or an anchor that the dataset does not have."""
    card = registry.dataset_card(scene.dataset)
    known = {"channel": (scene.channel,), "anchor": anchors}
    offered = {"channel": card.channels, "anchor": tuple(task_classes(card, card.task(scene.task)))}
    for what, names in known.items():
        for name in names:
            if name not in offered[what]:
                there = nearest(name, offered[what])
                raise ConfigError(f"{paths.config_file()}: {scene.dataset} has no {what} '{name}'.{there}")


def analysis_inputs(name: str, budget: str) -> list[Path]:
    """Return the manifests and backbones that an analysis reads, but not those of what is gated here."""
    found = []
    settings = analysis_settings(name)
    for run in (run for scene in settings.scenes for run in scene_runs(settings, scene, budget) if not gate(run)):
        weights = run.pretrain.weights()
        found += [eval_manifest(run), *([weights] if weights else [])]
    return sorted(set(found))


def analysis_facts(name: str, budget: str) -> str:
    """Return what decides the numbers of an analysis besides the prepared cases."""
    settings = analysis_settings(name)
    specs = [
        spec_sha256(scene_spec(run, scene)) for scene in settings.scenes for run in scene_runs(settings, scene, budget)
    ]
    return " ".join([settings.model_dump_json(), *specs])
