"""What has to be true of the machine before Snakemake builds its graph. Imports no torch."""

import re
import shutil
import subprocess

from voxelbench.errors import ConfigError

MIN_CONDA = (24, 7, 1)
"""The oldest conda that Snakemake 9 takes."""

_REMEDY = "install Miniforge, or drop --use-conda to run in the current environment."


def check_conda(wants_conda: bool) -> None:
    """Check that `--use-conda`, if given, finds a conda that Snakemake can use. Raises ConfigError, one sentence."""
    if not wants_conda:
        return
    needed = ".".join(str(number) for number in MIN_CONDA)
    executable = shutil.which("conda")
    if executable is None:
        raise ConfigError(f"--use-conda needs conda {needed} or later, and there is no `conda` on PATH: {_REMEDY}")
    said = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    if found is None or tuple(map(int, found.groups())) < MIN_CONDA:
        raise ConfigError(
            f"--use-conda needs conda {needed} or later, and {executable} calls itself '{said}': "
            f"`conda update conda`, or {_REMEDY}"
        )


def check_gpu(budget: str, needs_gpu: bool, runs_locally: bool, has_total: bool) -> None:
    """Check that a local run on GPUs says how many there are. Raises ConfigError, one sentence.

    Without a total Snakemake would start as many GPU jobs as there are cores, all on one GPU.
    """
    if needs_gpu and runs_locally and not has_total:
        raise ConfigError(
            f"budget {budget} runs on GPUs and Snakemake was not told how many there are: "
            "add `--resources gpu=1`, or more."
        )
