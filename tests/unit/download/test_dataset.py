"""All files of a dataset: together, with room for them, with every failure told; and no secret in anything printed."""

import io
import logging
import os
import tarfile
from threading import Event, Thread

import pytest
from rich.console import Console

from voxelbench import registry
from voxelbench.cards import RemoteFile
from voxelbench.data.download import dataset, download_archives, fetch, fetch_all, fetch_sdist
from voxelbench.data.download.progress import progress
from voxelbench.errors import ChecksumError, DataError, VoxelbenchError


@pytest.fixture
def remote(source):
    """Return a function that names the source's file as a card does."""

    def file(**changes):
        return RemoteFile(**{"url": source.url, "sha256": source.sha256, "n_bytes": len(source.content)} | changes)

    return file


def test_files_come_side_by_side(source, remote, patience, tmp_path):
    """Each of four answers waits for the other three to be asked for."""
    all_asked = Event()

    def answer(request):
        if len(source.asked) == 4:
            all_asked.set()
        assert all_asked.wait(20)
        source.well(request)

    source.script = [answer] * 4
    patience = type(patience)(timeout_s=20)
    fetch_all({tmp_path / f"{number}": remote() for number in range(4)}, patience=patience)
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {source.content}


def test_one_failure_loses_no_other_file_and_all_are_told(source, remote, patience, tmp_path):
    files = {tmp_path / "a": remote(), tmp_path / "b": remote(sha256="0" * 64), tmp_path / "c": remote(sha256="1" * 64)}
    with pytest.raises(DataError) as caught:
        fetch_all(files, patience=patience)
    said = str(caught.value)
    assert said.startswith("2 of 3 files could not be fetched: ")
    assert f"expected {'0' * 64}" in said and f"expected {'1' * 64}" in said
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_single_failure_is_told_as_it_is(source, remote, patience, tmp_path):
    with pytest.raises(ChecksumError, match=r"^.*b\.partial: has sha256"):
        fetch_all({tmp_path / "a": remote(), tmp_path / "b": remote(sha256="0" * 64)}, patience=patience)


def test_room_for_all_files_is_looked_for_before_the_first_comes(source, remote, patience, tmp_path):
    files = {tmp_path / "a": remote(), tmp_path / "b": remote(n_bytes=10**18)}
    with pytest.raises(DataError, match=r"a, b: needs 1000000000\.0 GB more on the disk of .*; make room or choose"):
        fetch_all(files, patience=patience)
    assert source.asked == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("here", "to_unpack", "needed"), [(0, 0, 1.0), (0.25, 0, 0.75), (0.25, 1, 1.75), (1, 1, 1.0)])
@pytest.mark.parametrize("is_on_card", [True, False])
def test_room_is_for_what_is_missing_and_for_what_is_unpacked(
    source, remote, patience, tmp_path, monkeypatch, here, to_unpack, needed, is_on_card
):
    """A size that is not on the card is asked of the source."""
    n_bytes, looked_for = len(source.content), []
    monkeypatch.setattr(dataset, "check_space", lambda folder, n_bytes, what: looked_for.append(n_bytes))
    dest = tmp_path / "a"
    (dest if here == 1 else tmp_path / "a.partial").write_bytes(source.content[: int(here * n_bytes)])
    fetch_all({dest: remote(**({} if is_on_card else {"n_bytes": None}))}, [dest] * to_unpack, patience)
    assert looked_for == [pytest.approx(needed * n_bytes, abs=1)]


def tar_of(source, member="set/a.nii"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo(member)
        info.size = len(source.content)
        tar.addfile(info, io.BytesIO(source.content))
    return packed.getvalue()


def card_of(*files):
    return registry.dataset_card("msd_spleen").model_copy(update={"files": files})


def test_archives_are_unpacked_and_other_files_stay_as_they_are(source, patience, tmp_path):
    volume, source.content = source.content, tar_of(source)
    at = source.url.removesuffix("scan.nii.gz")
    card = card_of(*(RemoteFile(url=at + name, sha256=source.sha256) for name in ("Task.tar", "list.csv")))
    for _ in range(2):
        download_archives(tmp_path, card, patience)
    assert len(source.asked) == 2
    assert (tmp_path / "Task" / "set" / "a.nii").read_bytes() == volume
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"Task/set/a.nii", "archives/Task.tar", "archives/Task.tar.unpacked", "list.csv"}


@pytest.fixture
def unpacked(source, patience, tmp_path):
    """Download a dataset of one archive; return its card."""
    source.content = tar_of(source)
    card = card_of(RemoteFile(url=source.url.replace("scan.nii.gz", "Task.tar"), sha256=source.sha256))
    download_archives(tmp_path, card, patience)
    return card


def test_what_is_unpacked_needs_its_archive_no_longer(source, unpacked, patience, tmp_path):
    (tmp_path / "archives" / "Task.tar").unlink()
    download_archives(tmp_path, unpacked, patience)
    assert len(source.asked) == 1


def test_another_release_is_not_taken_for_what_was_unpacked(source, unpacked, patience, tmp_path):
    source.content = tar_of(source)
    (tmp_path / "archives" / "Task.tar").unlink()
    card = card_of(RemoteFile(url=unpacked.files[0].url, sha256=source.sha256))
    with pytest.raises(DataError, match=r"Task: was unpacked from another archive than the card names; remove it and"):
        download_archives(tmp_path, card, patience)


def test_a_kill_between_unpacking_and_its_note_costs_a_check(source, unpacked, patience, tmp_path):
    (tmp_path / "archives" / "Task.tar.unpacked").unlink()
    download_archives(tmp_path, unpacked, patience)
    assert len(source.asked) == 1 and (tmp_path / "archives" / "Task.tar.unpacked").exists()


def test_an_archive_that_leaves_its_folder_is_refused(source, patience, tmp_path):
    source.content = tar_of(source, "../escape")
    card = card_of(RemoteFile(url=source.url.replace("scan.nii.gz", "Task.tar"), sha256=source.sha256))
    with pytest.raises(DataError, match=r"member '\.\./escape' would be written outside of its folder"):
        download_archives(tmp_path / "raw", card, patience)
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["archives"]


def test_an_interrupt_stops_the_other_files_and_keeps_what_came(source, remote, tmp_path, monkeypatch):
    """What Ctrl-C does in the main thread, while a second file comes slowly."""

    class Interrupted:
        def exception(self):
            raise KeyboardInterrupt

    class Pool(dataset.ThreadPoolExecutor):
        def submit(self, *args, **options):
            super().submit(*args, **options)
            return Interrupted()

    monkeypatch.setattr(dataset, "ThreadPoolExecutor", Pool)
    source.script = [source.pause(0)]
    Thread(target=lambda: (source.go_on.wait(0.05), source.go_on.set())).start()
    with pytest.raises(KeyboardInterrupt):
        fetch_all({tmp_path / "a": remote()})
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".version")] == ["a.partial"]


SECRETS = ("s3cret", "p4ssword", "t0ken", "hf_abc", "syn_abc", "pr0xy")


@pytest.fixture
def secrets(source, monkeypatch, caplog):
    """Hide secrets where users have them: in an address, in environment variables, in that of a proxy."""
    caplog.set_level(logging.DEBUG, logger="voxelbench")
    caplog.set_level(logging.WARNING)
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", "syn_abc")
    source.url = source.url.replace("://", "://s3cret:p4ssword@") + "?X-Amz-Signature=t0ken#t0ken"


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("misfortune", ["none", "503", "403", "wait", "cut", "header", "redirect", "checksum", "proxy"])
def test_no_secret_is_ever_printed(source, patience, tmp_path, capfd, caplog, monkeypatch, misfortune):
    source.script = {
        "503": [source.says(503)] * 9,
        "403": [source.says(403)],
        "wait": [source.says(429, Retry_After="99")],
        "cut": [source.cut(1000), source.says(500)],
        "header": [source.says(200, **{"no header t0ken": "x"})],
        "redirect": [source.says(302, Location="/other?key=t0ken"), source.says(404)],
    }.get(misfortune, [])
    if misfortune == "proxy":
        monkeypatch.setenv("http_proxy", "http://me:pr0xy@127.0.0.1:9")
    said = ""
    with progress(Console(stderr=True, force_terminal=True)) as report_of:
        try:
            sha256 = "0" * 64 if misfortune == "checksum" else source.sha256
            fetch(source.url, tmp_path / "scan", sha256=sha256, patience=patience, report=report_of("scan"))
        except VoxelbenchError as error:
            said = str(error)
    out, err = capfd.readouterr()
    assert bool(said) == (misfortune in {"503", "403", "wait", "header", "redirect", "checksum", "proxy"})
    printed = said + out + err + caplog.text + "".join(path.name for path in tmp_path.iterdir())
    assert not [secret for secret in SECRETS if secret in printed]


@pytest.mark.usefixtures("secrets")
def test_the_secret_of_a_package_index_is_never_printed(source, tmp_path, capfd, caplog, monkeypatch):
    index = source.url.partition("/scan")[0] + "/simple"
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", index)
    page = {"Content-Type": "text/html", "ETag": ""}
    source.script = [lambda request: source.answer(request, 200, b'<a href="/toy-1.0.tar.gz">toy-1.0.tar.gz</a>', page)]
    with pytest.raises(ChecksumError) as caught:
        fetch_sdist("toy", "1.0", "0" * 64, tmp_path / "toy.tar.gz")
    assert "/toy-1.0.tar.gz has changed" in str(caught.value)
    out, err = capfd.readouterr()
    assert not [secret for secret in SECRETS if secret in f"{caught.value}{out}{err}{caplog.text}"]


def test_progress_is_bars_on_a_terminal():
    screen = io.StringIO()
    with progress(Console(file=screen, force_terminal=True, width=120)) as report_of:
        report_of("Task03_Liver.tar")(3_000_000, 12_000_000)
    assert "Task03_Liver.tar" in screen.getvalue() and "3.0/12.0 MB" in screen.getvalue()


def test_progress_is_a_line_now_and_then_elsewhere(caplog):
    caplog.set_level(logging.INFO)
    screen = io.StringIO()
    for line_every_s in (0, 3600):
        with progress(Console(file=screen, force_terminal=False), line_every_s) as report_of:
            report_of("Task03_Liver.tar")(3_000_000, 12_000_000)
            report_of("no_length")(3_000_000, None)
    assert caplog.messages == ["Task03_Liver.tar: 3.0 of 12.0 MB (25%)", "no_length: 3.0 MB"]
    assert screen.getvalue() == ""
