"""After a kill the next run goes on: no lock, no leftovers, with the settings of profiles/default."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SNAKEFILE = """
rule slow:
    output:
        "slow.txt",
    shell:
        "echo half > {output}; sleep $SECONDS_TO_SLEEP; echo whole > {output}"
"""


def _start(folder, seconds):
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "1", "slow.txt"]
    environment = os.environ | {"SECONDS_TO_SLEEP": str(seconds)}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, start_new_session=True)


def test_a_killed_run_is_taken_up_by_the_same_command(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    output = tmp_path / "slow.txt"

    killed = _start(tmp_path, 60)
    deadline = time.monotonic() + 60
    while not output.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert output.read_text() == "half\n"

    again = _start(tmp_path, 0)
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said.decode()
    assert output.read_text() == "whole\n"
