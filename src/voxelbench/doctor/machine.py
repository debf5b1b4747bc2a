"""What this machine has, beside data."""

import os
import shutil
from importlib.util import find_spec

from voxelbench import preflight
from voxelbench.config import read_config, table_budget
from voxelbench.doctor.finding import Finding
from voxelbench.errors import VoxelbenchError
from voxelbench.expand import table_runs
from voxelbench.resolve import eval_spec

_MINIMUM_DISK_GB = 5


def needed() -> list[Finding]:
    """Return the findings without which the demo cannot run."""
    return [_packages(), _config(), _disk()]


def useful() -> list[Finding]:
    """Return the findings without which some things cannot run."""
    return [_conda(), _gpu()]


def _packages() -> Finding:
    missing = [
        name for name in ("torch", "monai", "snakemake", "h5py", "nibabel", "sklearn") if find_spec(name) is None
    ]
    if missing:
        remedy = "run `make venv`, or pip install -e '.[engine]'"
        return Finding(False, "packages", f"{', '.join(missing)} missing; {remedy}")
    return Finding(True, "packages", f"all there, {os.cpu_count()} CPU cores")


def _config() -> Finding:
    try:
        read = read_config()
        for name in read.tables:
            for _, run in table_runs(name, table_budget(name, None)):
                eval_spec(run)
    except VoxelbenchError as error:
        return Finding(False, "config", str(error))
    return Finding(True, "config", f"budget {read.budget}, tables {', '.join(read.tables)}")


def _disk() -> Finding:
    free = shutil.disk_usage(".").free / 1e9
    text = f"{free:.0f} GB free here (the demo takes less than 1, an installation 2)"
    return Finding(free > _MINIMUM_DISK_GB, "disk", text)


def _conda() -> Finding:
    try:
        preflight.check_conda(True)
    except VoxelbenchError as error:
        return Finding(False, "conda", str(error))
    return Finding(True, "conda", "found; `snakemake --use-conda` works")


def _gpu() -> Finding:
    if find_spec("torch") is None:
        return Finding(False, "GPU", "unknown without torch")
    import torch

    count = torch.cuda.device_count()
    return Finding(count > 0, "GPU", f"{count} seen by torch{'' if count else '; budget full needs one'}")
