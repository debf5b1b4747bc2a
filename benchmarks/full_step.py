"""One optimiser step of a method at the size its authors ran, crop by crop: does it fit, and how long does it take?

    python benchmarks/full_step.py s2dc voco swinmm
    python benchmarks/full_step.py gvsl --encoder gvsl-unet
    python benchmarks/full_step.py alice.relpos --encoder alice-nnformer

Settings are those of budget `full`, but for `crops_per_pass: 1` where a method has it; the volumes are noise. Each
method runs in a process of its own, since the peak of a process never falls. One micro-batch is taken: a step is
`accumulate` of them.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import torch
from noise import noise_batch

from voxelbench import registry, resolve
from voxelbench.config import read_budget, read_encoder
from voxelbench.encoders.build import build
from voxelbench.method import Progress
from voxelbench.runs import MethodId
from voxelbench.training.loop import make_optimiser, weighted_sum


def run(name: str, encoder: str, threads: int) -> dict[str, Any]:
    """Take one step in this process."""
    torch.set_num_threads(threads)
    method_id = MethodId.parse(name)
    plugin = registry.load_method(method_id.name)
    override = {"crops_per_pass": 1} if "crops_per_pass" in plugin.Config.model_fields else {}
    config = resolve.method_config(method_id, "full", override)
    torch.manual_seed(0)
    method = plugin.Method(build(read_encoder(encoder), 1, plugin.Method.needs), config).train()
    optimiser = make_optimiser(method.parameter_groups(), config.optimiser)
    views = noise_batch(plugin, config)
    progress = Progress(0, config.steps, 0, micro_batch=0)
    started = time.perf_counter()
    method.before_step(progress)
    losses = method(views, progress)
    weighted_sum(losses, config.loss_weights).backward()
    optimiser.step()
    method.after_step(progress)
    return {
        "seconds": time.perf_counter() - started,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "trained": sum(weight.numel() for weight in method.parameters() if weight.requires_grad),
        "losses": {term: round(loss.item(), 4) for term, loss in losses.items()},
    }


def main() -> None:
    """Run each method in its own process and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="+", help="each a name or name.variant")
    parser.add_argument("--encoder", default=read_budget("full").encoder, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(run(arguments.methods[0], arguments.encoder, arguments.threads)))
        return
    print("| method | encoder | trained parameters | micro-batch, s | peak, GiB | terms |\n|---|---|---|---|---|---|")
    options = ["--here", "--encoder", arguments.encoder, "--threads", str(arguments.threads)]
    for method in arguments.methods:
        command = [sys.executable, __file__, method, *options]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        terms = ", ".join(f"{term} {value}" for term, value in report["losses"].items())
        print(
            f"| {method} | {arguments.encoder} | {report['trained']:,} | {report['seconds']:.0f} | "
            f"{report['peak_gib']:.1f} | {terms} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
