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

from voxelbench import __version__, paths
from voxelbench.atomic import write_text
from voxelbench.resolve import spec_sha256, spec_yaml
from voxelbench.validation import Strict

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
    """Times the phases of a run and writes its record."""

    def __init__(self, folder: Path, spec: Strict) -> None:
        self.folder = folder
        self.spec = spec
        self.seconds: dict[str, float] = {}
        self.extra: dict[str, Any] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the wall-clock seconds of the block to the phase `name`."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def write(self, inputs: Iterable[Path], device: str) -> None:
        """Write `spec.yaml` and `run.json`, and remove the record of an earlier failure."""
        record = {
            "spec_sha256": spec_sha256(self.spec),
            "voxelbench": __version__,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "host": platform.node(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "device": device,
            "n_cpus": os.cpu_count(),
            "versions": {name: _version(name) for name in _PACKAGES},
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "inputs": {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs},
            **self.extra,
        }
        write_text(self.folder / paths.SPEC, spec_yaml(self.spec))
        write_text(self.folder / paths.RUN, json.dumps(record, indent=2) + "\n")
        (self.folder / paths.FAILED).unlink(missing_ok=True)


def write_failure(folder: Path, error: BaseException) -> None:
    """Leave the reason of a failed run where the table will look for it."""
    reason = str(error) or type(error).__name__
    write_text(folder / paths.FAILED, json.dumps({"error": type(error).__name__, "reason": reason}, indent=2) + "\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
