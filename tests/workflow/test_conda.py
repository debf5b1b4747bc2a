"""`--use-conda` end to end: with the stand-in of tests/conda_shim, and with a real conda where there is one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITH_SHIM = ROOT / "tests" / "conda_shim" / "with_shim.sh"
PYTHON = f"python ={sys.version_info.major}.{sys.version_info.minor}"

SNAKEFILE = """
shell.prefix("export PYTHONPATH=library PYTHONSAFEPATH=1; ")


rule toy:
    output:
        "toy.txt",
    conda:
        "environment.yaml"
    shell:
        "python -c 'import answer; print(answer.VALUE)' > {output} && echo $CONDA_PREFIX >> {output}"
"""


@pytest.fixture
def workflow(tmp_path):
    """Return a function that writes a toy workflow whose one job needs an environment with the given conda specs."""

    def write(*specs):
        (tmp_path / "Snakefile").write_text(SNAKEFILE)
        (tmp_path / "library").mkdir()
        (tmp_path / "library" / "answer.py").write_text("VALUE = 42\n")
        lines = "".join(f"  - {spec}\n" for spec in specs)
        (tmp_path / "environment.yaml").write_text(
            f"channels:\n  - conda-forge\n  - nodefaults\ndependencies:\n{lines}"
        )
        return tmp_path

    return write


def run(folder, *prefix):
    """Run Snakemake from this Python's environment; PYTHONPATH is set to show that a job does not depend on it."""
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": "nowhere",
    }
    command = [*prefix, "snakemake", "--cores", "1", "--use-conda", "toy.txt"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _assert_ran_inside(folder, done):
    assert done.returncode == 0, done.stderr
    answer, prefix = (folder / "toy.txt").read_text().splitlines()
    assert answer == "42"
    assert Path(prefix).parent == folder / ".snakemake" / "conda"
    assert list(Path(prefix, "conda-meta").glob("python-*.json"))


def test_the_stand_in_solves_creates_and_activates_and_the_job_runs_inside(workflow):
    folder = workflow(PYTHON, "pip", "pip: [numpy==2.4.6]")
    _assert_ran_inside(folder, run(folder, WITH_SHIM))


def test_an_environment_that_cannot_be_solved_shows_the_solvers_words(workflow):
    folder = workflow("python =2.7", "pip")
    done = run(folder, WITH_SHIM)
    assert done.returncode != 0
    assert "CreateCondaEnvironmentException" in done.stderr
    assert "SolverError: Cannot solve the request because of: No candidates were found for python" in done.stderr
    assert not (folder / "toy.txt").exists()


@pytest.mark.conda
@pytest.mark.skipif(shutil.which("conda") is None, reason="no conda on PATH; the stand-in's tests run instead")
def test_a_real_conda_does_the_same(workflow):
    folder = workflow("python =3.11", "pip")
    _assert_ran_inside(folder, run(folder))
