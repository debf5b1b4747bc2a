"""What a run leaves beside its numbers: `spec.yaml` (what was asked), `run.json` (what varies), `failed.json`."""

import hashlib
import json
import os
import platform
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from voxelbench import __version__, paths, registry
from voxelbench.atomic import write_text
from voxelbench.code_version import code_version
from voxelbench.command_line import command, rebuild_command
from voxelbench.resolve import EvalSpec, PretrainSpec, spec_sha256, spec_yaml
from voxelbench.runs import EvalRun, MethodId, PretrainRun
from voxelbench.training import torchrun
from voxelbench.training.energy import read_meter, start_meter

_PACKAGES = (
    "torch",
    "lightning-fabric",
    "monai",
    "numpy",
    "scipy",
    "nibabel",
    "h5py",
    "scikit-image",
    "scikit-learn",
    "nnunetv2",
    "pandas",
    "snakemake",
)


class RunRecord:
    """Times the phases of a run, counts what it takes, and writes its record. It begins when it is made."""

    def __init__(self, run: EvalRun | PretrainRun, spec: PretrainSpec | EvalSpec) -> None:
        self.run = run
        self.folder = run.folder()
        self.spec = spec
        self.seconds: dict[str, float] = {}
        self.extra: dict[str, Any] = {}
        self.code = code_version()
        self.is_resumed = any((self.folder / left).exists() for left in (paths.CHECKPOINT, paths.WORK))
        self._meter = start_meter(spec.device)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the wall-clock seconds of the block to the phase `name`."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def write(self, inputs: Iterable[Path]) -> None:
        """Write `spec.yaml` and `run.json`, and remove the record of an earlier failure."""
        energy = read_meter(self._meter)
        record = {
            "spec_sha256": spec_sha256(self.spec),
            "voxelbench": __version__,
            "code": self.code._asdict(),
            "method_sha256": method_sha256(MethodId.parse(self.spec.method).name),
            "command": command(self.run),
            "rebuild": rebuild_command(self.run),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "host": platform.node(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "device": self.spec.device,
            "n_cpus": os.cpu_count(),
            "n_processes": torchrun.processes(),
            "versions": {name: _version(name) for name in _PACKAGES},
            "is_resumed": self.is_resumed,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "cpu_seconds": _cpu_seconds(),
            "energy_j": energy.joules,
            "energy_source": energy.source,
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "inputs": {str(path): _sha256(path) for path in with_sources(inputs)},
            **self.extra,
        }
        write_text(self.folder / paths.SPEC, spec_yaml(self.spec))
        write_text(self.folder / paths.RUN, json.dumps(record, indent=2) + "\n")
        (self.folder / paths.FAILED).unlink(missing_ok=True)


def with_sources(inputs: Iterable[Path]) -> Iterator[Path]:
    """Yield each input and, after a manifest, the files beside it that pin what its own checksums of images do not.

    `sources.jsonl` has the checksums of the native files, labels too; the splits of gated data lie there as well.
    """
    for path in inputs:
        yield path
        if path == paths.manifest(path.parent):
            beside = (paths.sources(path.parent), paths.supplied_splits(path.parent))
            yield from (each for each in beside if each.is_file())


def method_sha256(name: str) -> str:
    """Return the checksum of a method's sources: of the lines that `sha256sum` prints for them, by name."""
    lines = "".join(f"{_sha256(path)}  {path.name}\n" for path in registry.sources("methods", name))
    return hashlib.sha256(lines.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cpu_seconds() -> float | None:
    """Return the seconds of processors that this process and its children took; None if it is one of several."""
    if torchrun.processes() > 1:
        return None
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(sum(usage.ru_utime + usage.ru_stime for usage in usages), 3)


def write_failure(folder: Path, error: BaseException) -> None:
    """Leave the reason of a failed run where the table will look for it."""
    reason = str(error) or type(error).__name__
    write_text(folder / paths.FAILED, json.dumps({"error": type(error).__name__, "reason": reason}, indent=2) + "\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
