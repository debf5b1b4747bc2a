"""`voxelbench doctor`: what this machine has, and for what something is missing."""

import os
import shutil
from importlib.util import find_spec

from voxelbench import preflight, registry
from voxelbench.config import read_config, table_budget
from voxelbench.errors import VoxelbenchError
from voxelbench.expand import table_runs
from voxelbench.paths import raw
from voxelbench.resolve import eval_spec

_MINIMUM_DISK_GB = 5


def examine() -> int:
    """Print one line a finding; return 1 if the demo could not run."""
    findings = [_packages(), _config(), _disk()]
    for is_good, text in [*findings, _conda(), _gpu(), *_datasets()]:
        print(f"{'ok ' if is_good else '-- '} {text}")
    return int(not all(is_good for is_good, _ in findings))


def _packages() -> tuple[bool, str]:
    missing = [
        name for name in ("torch", "monai", "snakemake", "h5py", "nibabel", "sklearn") if find_spec(name) is None
    ]
    if missing:
        return False, f"packages: {', '.join(missing)} missing; run `make venv`, or pip install -e '.[engine]'"
    return True, f"packages: all there, {os.cpu_count()} CPU cores"


def _config() -> tuple[bool, str]:
    try:
        read = read_config()
        for name in read.tables:
            for _, run in table_runs(name, table_budget(name, None)):
                eval_spec(run)
    except VoxelbenchError as error:
        return False, f"config: {error}"
    return True, f"config: budget {read.budget}, tables {', '.join(read.tables)}"


def _disk() -> tuple[bool, str]:
    free = shutil.disk_usage(".").free / 1e9
    return free > _MINIMUM_DISK_GB, f"disk: {free:.0f} GB free here (the demo takes less than 1, an installation 2)"


def _conda() -> tuple[bool, str]:
    try:
        preflight.check_conda(True)
    except VoxelbenchError as error:
        return False, f"conda: {error}"
    return True, "conda: found; `snakemake --use-conda` works"


def _gpu() -> tuple[bool, str]:
    if find_spec("torch") is None:
        return False, "GPU: unknown without torch"
    import torch

    count = torch.cuda.device_count()
    return count > 0, f"GPU: {count} seen by torch{'' if count else '; budget full needs one'}"


def _datasets() -> list[tuple[bool, str]]:
    try:
        root = read_config().data_root
    except VoxelbenchError:
        return []
    lines = []
    for name in registry.names("datasets"):
        card, folder = registry.dataset_card(name), raw(root, name, "real")
        if folder.is_dir():
            lines.append((True, f"{name}: real data in {folder}"))
        elif card.access.kind == "open":
            lines.append((True, f"{name}: open, fetched on demand"))
        else:
            lines.append(
                (False, f"{name}: real data need {card.access.kind} ({card.access.home}); the twin needs nothing")
            )
    return lines
