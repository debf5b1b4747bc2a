"""One pretraining run, from its spec to `backbone.safetensors`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxelbench import paths, registry
from voxelbench.config import read_budget
from voxelbench.data.case import Case, read_cases
from voxelbench.data.splits import select
from voxelbench.encoders.build import build
from voxelbench.encoders.publish import publish
from voxelbench.errors import DataError
from voxelbench.expand import pretrain_manifests
from voxelbench.method import BEFORE_TRAINING, Method, Views, seed_torch
from voxelbench.provenance import RunRecord
from voxelbench.resolve import PretrainSpec, method_config, pretrain_spec, spec_sha256
from voxelbench.runs import PretrainRun
from voxelbench.settings import MethodConfig
from voxelbench.training.complexity import count_forward, count_parameters, of_training
from voxelbench.training.device import launch, peak_memory, prepare_device
from voxelbench.training.log import write_log
from voxelbench.training.loop import train
from voxelbench.training.progress import reporting
from voxelbench.training.sampling import Samples


@dataclass(frozen=True)
class Draw:
    """A method's `views` with its settings: a sample's draw that a worker process can be sent."""

    views: Callable[[tuple[Case, ...], MethodConfig, np.random.RandomState], Views]
    settings: MethodConfig

    def __call__(self, cases: tuple[Case, ...], rng: np.random.RandomState) -> Views:
        """Draw one sample. Raises DataError, naming the cases, where a view is not finite."""
        views = self.views(cases, self.settings, rng)
        for name, array in views.items():
            if not np.isfinite(array).all():
                raise DataError(
                    f"case {', '.join(case.case_id for case in cases)}: view '{name}' holds NaN or infinite values; "
                    f"prepare the dataset anew, or take the case out of the corpus."
                )
        return views


def pretrain(run: PretrainRun) -> None:
    """Pretrain one method on one corpus and write its folder; `backbone.safetensors` comes last.

    Every process that torchrun started runs this, and the first of them writes.
    """
    spec, folder = pretrain_spec(run), run.folder()
    folder.mkdir(parents=True, exist_ok=True)
    record = RunRecord(run, spec)
    device, fabric = prepare_device(spec.device, spec.threads), launch(spec.device)
    settings = method_config(run.method, run.budget)
    manifests = pretrain_manifests(run)
    with record.phase("data"):
        cases = corpus_cases(spec, manifests)
    plugin = registry.load_method(run.method.name)
    with record.phase("build"):
        seed_torch(spec.seed, BEFORE_TRAINING)
        method: Method = plugin.Method(build(spec.encoder, in_channels=1, parts=plugin.Method.needs), settings)
    samples = Samples(cases, Draw(plugin.views, settings), settings.group_size, settings.batch, spec.seed)
    if fabric.is_global_zero:
        forward = count_forward(method, samples, settings.steps, fabric.device)
        record.extra |= count_parameters(method) | forward | of_training(forward["flops_per_forward"], settings)
    snapshot_steps = settings.snapshot_steps()

    def keep_snapshot(step: int) -> None:
        if step in snapshot_steps:
            publish(method.published_backbone(), paths.snapshot(folder, step))

    with record.phase("pretrain"), reporting(f"{run.method} on {run.corpus}") as report:
        log = train(
            method,
            settings,
            samples,
            seed=spec.seed,
            identity=spec_sha256(spec),
            checkpoint_path=folder / paths.CHECKPOINT,
            fabric=fabric,
            workers=read_budget(run.budget).workers,
            at_step=keep_snapshot,
            report=report,
        )
    if fabric.is_global_zero:
        write_log(folder / paths.LOSSES, log)
        record.extra |= {"n_cases": len(cases)} | peak_memory(device)
        record.write(manifests.values())
        publish(method.published_backbone(), folder / paths.BACKBONE)
        (folder / paths.CHECKPOINT).unlink(missing_ok=True)
    fabric.barrier()


def corpus_cases(spec: PretrainSpec, manifests: dict[str, Path]) -> list[Case]:
    """Return the cases of a corpus, each with the one channel that it names."""
    cases = []
    for member in spec.members:
        card = registry.dataset_card(member.dataset)
        split = member.split or card.default_split
        chosen = select(read_cases(manifests[member.dataset]), card, split, 0, member.part)
        cases += [case.narrowed((member.channel,)) for case in chosen]
    return cases
