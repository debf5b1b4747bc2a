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
