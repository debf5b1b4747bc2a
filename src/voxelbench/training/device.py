"""The device of a run, and its processes.

On CPU, threads and deterministic kernels are fixed, so that equal seeds give equal bytes.
"""

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from voxelbench.errors import ConfigError
from voxelbench.training import torchrun


def prepare_device(name: str, threads: int) -> torch.device:
    """Return the device and set torch's threads. Raises ConfigError if a GPU is asked for and none is there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "this budget runs on a GPU (`device: cuda`) and torch sees none; use another budget, or a GPU node."
        )
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(name == "cpu")
    return torch.device(name)


def launch(name: str) -> Fabric:
    """Return this process's hold on its device, and on the other processes of the run if torchrun started several.

    Starts no process: torchrun has, and here they find each other.
    """
    return _several(name) if torchrun.processes() > 1 else alone(name)


def alone(name: str) -> Fabric:
    """Return the hold of a run that one process does. Raises ConfigError if torchrun started several."""
    if torchrun.processes() > 1:
        raise ConfigError(
            f"this run takes one process, but torchrun started {torchrun.processes()}; start it with"
            " `python -m voxelbench`."
        )
    # Named, for Fabric would take the tasks of a Slurm or MPI job around the run for its processes.
    return _launched(Fabric(accelerator=name, devices=1, plugins=[LightningEnvironment()]))


def _several(name: str) -> Fabric:
    here = torchrun.processes_here()
    if name == "cuda" and torch.cuda.device_count() < here:
        raise ConfigError(
            f"torchrun started {here} processes on this machine and torch sees {torch.cuda.device_count()} GPUs;"
            " start at most one process a GPU."
        )
    # A parameter that takes no gradient is no error for one process, so it is none for several.
    strategy = DDPStrategy(cluster_environment=TorchElasticEnvironment(), find_unused_parameters=True)
    nodes = torchrun.processes() // here
    return _launched(Fabric(accelerator=name, devices=here, num_nodes=nodes, strategy=strategy))


def _launched(fabric: Fabric) -> Fabric:
    fabric.launch()
    return fabric


def peak_memory(device: torch.device) -> dict[str, int]:
    """Return the most memory that this process held on a GPU so far, for `run.json`; nothing on a CPU."""
    if device.type != "cuda":
        return {}
    return {"peak_gpu_memory_mb": round(torch.cuda.max_memory_allocated(device) / 2**20)}
