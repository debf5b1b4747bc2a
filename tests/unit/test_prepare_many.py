"""Many cases: side by side, stopped, resumed and run again, always to the same bytes."""

import csv
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pytest

from voxelbench import __version__, paths, registry
from voxelbench.data.case import read_cases
from voxelbench.data.case_progress import counting
from voxelbench.data.native import NativeCase, read_native
from voxelbench.data.prepare import prepare_cases
from voxelbench.data.workers import workers
from voxelbench.errors import ConfigError, DataError

SHAPE = (9, 14, 6)
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def raw(tmp_path, write_nifti):
    rng = np.random.RandomState(0)
    for name in NAMES:
        write_nifti(tmp_path / "raw" / f"{name}.nii.gz", rng.randint(-1000, 1000, SHAPE).astype(np.int16))
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "prepared"


def native_cases(raw):
    return [NativeCase(name, f"p{name}", (raw / f"{name}.nii.gz",)) for name in NAMES]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_workers_change_no_byte(raw, tmp_path, make_card):
    for n_workers in (1, 2):
        with workers(n_workers):
            prepare_cases(reversed(native_cases(raw)), raw, tmp_path / str(n_workers), make_card(), "native")
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_no_worker_is_refused():
    with pytest.raises(ConfigError, match="--workers 0: expected 1 or more"), workers(0):
        pass


def kill_worker():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_sentence(raw, out, make_card):
    cases = [*native_cases(raw), NativeCase("e", "pe", (kill_worker,))]
    with workers(2), pytest.raises(DataError, match=r"one of 2 processes was killed.* go on with fewer `--workers`"):
        prepare_cases(cases, raw, out, make_card(), "native")
    assert not paths.manifest(out).exists()


@pytest.mark.parametrize("n_workers", [1, 2])
def test_bad_cases_take_nothing_from_the_good_ones(raw, out, make_card, n_workers):
    for name in ("b", "c"):
        (raw / f"{name}.nii.gz").write_bytes(b"no volume")
    with workers(n_workers), pytest.raises(DataError) as caught:
        prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    assert str(caught.value).startswith(f"{raw}/b.nii.gz: not a complete NIfTI file (")
    assert str(caught.value).endswith(f" 1 more of its cases are refused: {out}/refused.csv lists all.")
    with paths.refused_cases(out).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["case_id"] for row in rows] == ["b", "c"]
    assert rows[1]["reason"].startswith(f"{raw}/c.nii.gz: not a complete")
    assert (out / "a.image.h5").exists() and (out / "d.image.h5").exists()


def test_mended_cases_are_added_and_nothing_is_done_twice(raw, out, tmp_path, make_card):
    prepare_cases(native_cases(raw), raw, tmp_path / "whole", make_card(), "native")
    good, stat = (raw / "c.nii.gz").read_bytes(), (raw / "c.nii.gz").stat()
    (raw / "c.nii.gz").write_bytes(b"")
    with pytest.raises(DataError):
        prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    before = stamps(out)
    (raw / "c.nii.gz").write_bytes(good)
    os.utime(raw / "c.nii.gz", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    assert {name for name, stamp in stamps(out).items() if before.get(name) == stamp} == {
        f"{name}.image.h5" for name in ("a", "b", "d")
    }
    assert content(out) == content(tmp_path / "whole")


def test_a_finished_preparation_does_nothing(raw, out, make_card, caplog):
    prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    before = stamps(out)
    with caplog.at_level("INFO", "voxelbench"):
        prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    assert stamps(out) == before
    assert caplog.messages == ["toy: all 4 cases are prepared and nothing has changed; nothing to do."]


@pytest.mark.parametrize("change", ["source", "card", "grid", "removed volume", "removed manifest"])
def test_what_changed_is_done_again(raw, out, make_card, write_nifti, change):
    prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    before = stamps(out)
    if change == "source":
        write_nifti(raw / "b.nii.gz", np.full(SHAPE, 7, np.int16))
    elif change.startswith("removed"):
        (out / ("b.image.h5" if change.endswith("volume") else "manifest.csv")).unlink()
    card, grid = make_card(version=2 if change == "card" else 1), 2.0 if change == "grid" else "native"
    prepare_cases(native_cases(raw), raw, out, card, grid)
    redone = {name[0] for name, stamp in stamps(out).items() if name.endswith(".h5") and before.get(name) != stamp}
    everything = set(NAMES)
    expected = {"card": everything, "grid": everything, "removed manifest": set()}.get(change, {"b"})
    assert redone == expected
    assert len(read_cases(paths.manifest(out))) == 4


def test_a_case_that_is_gone_leaves_the_manifest(raw, out, make_card):
    prepare_cases(native_cases(raw), raw, out, make_card(), "native")
    prepare_cases(native_cases(raw)[1:], raw, out, make_card(), "native")
    assert [case.case_id for case in read_cases(paths.manifest(out))] == ["b", "c", "d"]


def test_two_cases_of_one_name(raw, out, make_card):
    with pytest.raises(DataError, match="2 cases of toy are called a, expected one"):
        prepare_cases([*native_cases(raw), native_cases(raw)[0]], raw, out, make_card(), "native")


class Halved:
    """A reader that explains itself."""

    def __init__(self, path):
        self.path = path

    def __call__(self):
        volume, affine = read_native(self.path)
        return volume / 2, affine

    def decisions(self):
        return ["divided by 2"]


def test_where_a_case_came_from(raw, out, make_card):
    path = raw / "a.nii.gz"
    nib.Nifti1Image(np.ones(SHAPE, np.int16), np.diag([-1.0, -2.0, 3.0, 1.0])).to_filename(path)
    series = [raw / "series" / f"{number}.txt" for number in range(12)]
    (raw / "series").mkdir()
    for number, file in enumerate(series):
        file.write_text(str(number))
    case = NativeCase("a", "pa", (path, Halved(path)), sources=tuple(series))
    prepare_cases([case], raw, out, make_card(channels=("ct", "half"), units=("HU", "HU"), inputs=("ct",)), 2.0)
    (line,) = [json.loads(line) for line in paths.sources(out).read_text().splitlines()]
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in [path, *series]}
    listed = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests) if name.endswith("txt"))
    found = {"shape": list(SHAPE), "orientation": "LPS", "oblique_degrees": 0.0}
    assert line == {
        "case_id": "a",
        "voxelbench": __version__,
        "card": 1,
        "grid": "2mm",
        "resampling": "linear, label to the nearest",
        "channels": [
            {"channel": "ct", "reader": "nifti", "dtype": "int16", **found, "decisions": []},
            {"channel": "half", "reader": "Halved", "dtype": "float64", **found, "decisions": ["divided by 2"]},
        ],
        "files": [
            {"file": "a.nii.gz", "n_bytes": path.stat().st_size, "sha256": digests["a.nii.gz"]},
            {
                "folder": "series",
                "n_files": 12,
                "n_bytes": 14,
                "sha256": hashlib.sha256(listed.encode()).hexdigest(),
            },
        ],
    }


def test_progress_in_a_log(monkeypatch, caplog):
    monkeypatch.setattr(time, "monotonic", functools.partial(next, iter([0.0, 0.0, 5.0, 30.0, 31.0])))
    with caplog.at_level("INFO", "voxelbench"), counting("toy", 4) as advance:
        for _ in range(3):
            advance()
    assert caplog.messages == ["toy: 2 of 4 cases, 30 s left"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_preparation_goes_on_to_the_same_bytes(checkout, outside_environment, tmp_path, number):
    raw, stopped, whole = (tmp_path / name for name in ("raw", "stopped", "whole"))
    dataset, card = registry.load_dataset("_template"), registry.dataset_card("_template")
    dataset.phantom(raw, card)
    command = [sys.executable, "-m", "voxelbench", "prepare", "_template", "--raw", raw, "--out", stopped]
    process = subprocess.Popen(
        [*command, "--workers", "2"],
        env=outside_environment,
        cwd=checkout,
        text=True,
        stderr=subprocess.PIPE,
        # A shell's job in the background ignores interrupts, and so would its children.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    while not (paths.journal(stopped).exists() and paths.journal(stopped).read_text()) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate()
    if number == signal.SIGINT:
        assert process.returncode == 130 and errors.startswith("voxelbench: interrupted; what is finished is kept")
        assert not list(stopped.glob("*.partial"))
    assert not paths.manifest(stopped).exists()
    before = stamps(stopped)
    for out in (stopped, whole):
        dataset.prepare(raw, out, card, "native")
    assert content(stopped) == content(whole)
    assert any(before.get(name) == stamp for name, stamp in stamps(stopped).items())
