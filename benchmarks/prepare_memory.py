"""A Decathlon task of 200 cases of real size, prepared by two workers: how long, and how much memory each takes.

    python benchmarks/prepare_memory.py [--cases 200] [--workers 2] [--grid native] [--folder DIR]

Volumes of 512 x 512 x 80 to 400 voxels, int16, gzipped, stored so that X and Y have to be turned; half of the cases
have 80 slices, a tenth has 400. Four files are written and linked under all names, and every name is prepared in full,
by the command that a user types. The memory is the peak that the system has noted for each of its processes (VmHWM).
The folder needs 15 GB for 200 cases, and is emptied at the end.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from cache import draw_volume

DATASET, BAR_GIB = "msd_liver", 2.0
SLICES = (80, 80, 80, 80, 80, 120, 120, 200, 200, 400)
"""Of every ten cases."""
AFFINE = np.diag([-0.8, -0.8, 1.5, 1.0])


def write_task(raw: Path, n_cases: int) -> None:
    """Write the native layout: one file for each number of slices, linked under the names of the cases."""
    stack = draw_volume()
    stack = np.concatenate([stack, stack[..., ::-1]], axis=2)
    for folder in ("imagesTr", "labelsTr"):
        (raw / folder).mkdir(parents=True)
    drawn: dict[int, Path] = {}
    for number in range(n_cases):
        n_slices, name = SLICES[number % len(SLICES)], f"liver_{number}.nii.gz"
        if n_slices not in drawn:
            volume = stack[..., :n_slices]
            nib.save(nib.Nifti1Image(volume, AFFINE), raw / "imagesTr" / name)
            label = (volume > 60).astype(np.uint8) + (volume > 150)
            nib.save(nib.Nifti1Image(label.astype(np.uint8), AFFINE), raw / "labelsTr" / name)
            drawn[n_slices] = Path(name)
        else:
            for folder in ("imagesTr", "labelsTr"):
                (raw / folder / name).hardlink_to(raw / folder / drawn[n_slices])


def descendants(pid: int) -> list[int]:
    """Return a process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(below for child in children for below in descendants(int(child)))]


def peak_gib(pid: int) -> float:
    """Return the largest resident memory that a process has had so far; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmHWM")), 0.0)


def watch(command: list[str]) -> tuple[float, list[float]]:
    """Run a command; return its seconds, and the peaks of all its processes in GiB, its own first."""
    started, peaks = time.perf_counter(), {}
    with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        while process.poll() is None:
            for pid in descendants(process.pid):
                peaks[pid] = max(peaks.get(pid, 0.0), peak_gib(pid))
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(process.returncode)
    own = peaks.pop(process.pid)
    return time.perf_counter() - started, [own, *sorted(peaks.values(), reverse=True)]


def main() -> None:
    """Write the task, prepare it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--grid", default="native")
    parser.add_argument("--folder", type=Path, help="default: the system's temporary folder")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        write_task(folder / "raw", arguments.cases)
        command = [sys.executable, "-m", "voxelbench", "prepare", DATASET, "--raw", str(folder / "raw")]
        command += ["--out", str(folder / "out"), "--workers", str(arguments.workers)]
        command += ["--grid", arguments.grid]
        seconds, (own, *workers) = watch(command)
    finally:
        shutil.rmtree(folder)
    print("| cases | workers | wall, s | s a case and worker | peak of the command, GiB | peak of each worker, GiB |")
    print("|---" * 6 + "|")
    each, peaks = seconds * arguments.workers / arguments.cases, [f"{peak:.2f}" for peak in workers if peak > 0.05]
    print(f"| {arguments.cases} | {arguments.workers} | {seconds:.0f} | {each:.1f} | {own:.2f} | {', '.join(peaks)} |")
    if max(own, *workers) > BAR_GIB:
        raise SystemExit(f"more than the {BAR_GIB:g} GiB that a process may take.")


if __name__ == "__main__":
    main()
