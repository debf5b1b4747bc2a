"""One training step of S2DC at the released network size: where time and memory go, with and without recomputation.

    python benchmarks/s2dc_step.py [--grid 2 2] [--modes plain checkpointing crop-wise] [--threads 2]

Each mode runs in a process of its own, since the peak of a process never falls. After a step to warm up, one step is
timed phase by phase; ratios are to the first mode. Losses and gradients of every mode are compared with the first's.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from noise import noise_batch
from torch import nn

from voxelbench import registry, resolve
from voxelbench.config import read_encoder
from voxelbench.encoders.build import build
from voxelbench.method import MethodConfig, Progress
from voxelbench.methods.s2dc.method import Method
from voxelbench.runs import MethodId
from voxelbench.training.loop import make_optimiser, weighted_sum

MODES: dict[str, dict[str, Any]] = {
    "plain": {"checkpointing": False, "crops_per_pass": None},
    "checkpointing": {"checkpointing": True, "crops_per_pass": None},
    "crop-wise": {"checkpointing": False, "crops_per_pass": 1},
}
PHASES = ("augmentation", "teacher", "student", "losses", "backward", "optimiser", "EMA")
SIDE = 96


class Clock:
    """Seconds of each phase, its nested phases taken out."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside to `name`."""
        started, nested = time.perf_counter(), sum(self.seconds.values())
        yield
        self.seconds[name] += time.perf_counter() - started - (sum(self.seconds.values()) - nested)

    def timing(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, timed."""

        def timed(*arguments: Any) -> Any:
            with self.phase(name):
                return function(*arguments)

        return timed


def settings(grid: tuple[int, int], crops_per_pass: int | None) -> MethodConfig:
    """Return the released settings, with a plane of `grid` crops."""
    crop = [grid[0] * SIDE, grid[1] * SIDE, SIDE]
    override = {"crop_grid": list(grid), "crop": crop, "crops_per_pass": crops_per_pass}
    return resolve.method_config(MethodId.parse("s2dc.code"), "full", override)


def instrumented(method: Method, clock: Clock) -> Method:
    """Time the parts of a step from outside; the method knows nothing of it."""
    trunks: dict[str, nn.Module] = {"teacher": method.teacher["trunk"], "student": method.backbone.trunk}
    for name, trunk in trunks.items():  # a pass that is repeated for its gradients counts to the student
        trunk.forward = clock.timing(name, trunk.forward)  # type: ignore[method-assign]
    method._augment = clock.timing("augmentation", method._augment)  # type: ignore[method-assign]
    return method


def run(mode: str, grid: tuple[int, int], threads: int) -> dict[str, Any]:
    """Take two steps in this process; return phases of the second, peak memory, losses and gradient norms."""
    torch.set_num_threads(threads)
    preset = read_encoder("swin48v2-legacy").model_copy(update={"checkpointing": MODES[mode]["checkpointing"]})
    config = settings(grid, MODES[mode]["crops_per_pass"])
    torch.manual_seed(0)
    clock = Clock()
    method = instrumented(Method(build(preset, 1, Method.needs), config).train(), clock)
    optimiser = make_optimiser(method.parameter_groups(), config.optimiser)
    views, report = noise_batch(registry.load_method("s2dc"), config), {}
    for step in range(2):
        clock.seconds.clear()
        with clock.phase("EMA"):
            method.before_step(Progress(step, config.steps, 0))
        with clock.phase("losses"):  # what is left of the forward pass: heads, matching, queue
            losses = method(views, Progress(step, config.steps, 0))
        with clock.phase("backward"):
            weighted_sum(losses, config.loss_weights).backward()
        if step == 0:
            report["losses"] = {name: loss.item() for name, loss in losses.items()}
            report["gradients"] = {
                name: weight.grad.norm().item() for name, weight in method.named_parameters() if weight.grad is not None
            }
        with clock.phase("optimiser"):
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        method.after_step(Progress(step, config.steps, 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {**report, "seconds": dict(clock.seconds), "peak_gib": peak}


def relative_difference(one: dict[str, float], other: dict[str, float]) -> float:
    """Return the largest relative difference; of gradients that are mere rounding, the absolute one."""
    return max(abs(one[name] - other[name]) / max(abs(one[name]), 1e-2) for name in one)


def main() -> None:
    """Run each mode in its own process and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grid", type=int, nargs=2, default=(2, 2), metavar=("X", "Y"))
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=list(MODES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", choices=list(MODES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run(arguments.one, tuple(arguments.grid), arguments.threads)))
        return
    print(f"| mode | {' | '.join(PHASES)} | step, s | ratio | peak, GiB | losses differ | gradient norms differ |")
    print("|---" * (len(PHASES) + 6) + "|")
    first = None
    for mode in arguments.modes:
        command = [sys.executable, __file__, "--one", mode, "--threads", str(arguments.threads)]
        command += ["--grid", *map(str, arguments.grid)]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        first = first or report
        step, reference = sum(report["seconds"].values()), sum(first["seconds"].values())
        phases = " | ".join(f"{report['seconds'].get(phase, 0.0):.2f}" for phase in PHASES)
        differences = " | ".join(
            f"{relative_difference(first[key], report[key]):.0e}" for key in ("losses", "gradients")
        )
        print(
            f"| {mode} | {phases} | {step:.1f} | {step / reference:.2f} | {report['peak_gib']:.2f} | {differences} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
