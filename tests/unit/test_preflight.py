import os

import pytest

from voxelbench.errors import ConfigError
from voxelbench.preflight import check_conda, check_gpu


@pytest.fixture
def put_conda(tmp_path, monkeypatch):
    """Return a function that makes an executable, saying the given version, the only thing on PATH."""

    def put(version=None):
        if version is not None:
            executable = tmp_path / "conda"
            executable.write_text(f"#!/bin/sh\necho '{version}'\n")
            executable.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return put


def test_without_use_conda_nothing_is_needed(put_conda):
    put_conda()
    check_conda(wants_conda=False)


@pytest.mark.parametrize("version", ["conda 24.7.1", "conda 24.11.0", "conda 25.1.0"])
def test_a_recent_conda_passes(put_conda, version):
    put_conda(version)
    check_conda(wants_conda=True)


def test_no_conda_is_one_sentence_with_the_remedy(put_conda):
    put_conda()
    with pytest.raises(ConfigError) as caught:
        check_conda(wants_conda=True)
    assert str(caught.value) == (
        "--use-conda needs conda 24.7.1 or later, and there is no `conda` on PATH: "
        "install Miniforge, or drop --use-conda to run in the current environment."
    )


@pytest.mark.parametrize("version", ["conda 24.7.0", "conda 4.3.16", "something else"])
def test_an_old_conda_is_one_sentence_with_the_remedy(put_conda, tmp_path, version):
    put_conda(version)
    with pytest.raises(ConfigError) as caught:
        check_conda(wants_conda=True)
    assert str(caught.value) == (
        f"--use-conda needs conda 24.7.1 or later, and {tmp_path}{os.sep}conda calls itself '{version}': "
        "`conda update conda`, or install Miniforge, or drop --use-conda to run in the current environment."
    )


@pytest.mark.parametrize("fits", [{"needs_gpu": False}, {"runs_locally": False}, {"has_total": True}])
def test_a_run_that_cannot_crowd_a_gpu_passes(fits):
    check_gpu(**{"budget": "full", "needs_gpu": True, "runs_locally": True, "has_total": False} | fits)


def test_a_local_run_on_gpus_has_to_say_how_many_there_are():
    with pytest.raises(ConfigError) as caught:
        check_gpu("full", needs_gpu=True, runs_locally=True, has_total=False)
    assert str(caught.value) == (
        "budget full runs on GPUs and Snakemake was not told how many there are: add `--resources gpu=1`, or more."
    )
