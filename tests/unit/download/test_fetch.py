"""One file from a server that misbehaves: whole and right in the end, or one sentence and what has come is kept."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from threading import Event, Thread, Timer

import pytest
import requests

from voxelbench.data.download import Patience, fetch
from voxelbench.data.download.http import Session
from voxelbench.data.download.lock import exclusive
from voxelbench.errors import ChecksumError, ConfigError, DataError

BLOCK = 1 << 16


@pytest.fixture
def bring(source, patience, tmp_path):
    """Return a function that fetches the source's file and returns its bytes; nothing else may stay behind."""

    def fetch_it(**options):
        options = {"sha256": source.sha256, "patience": patience} | options
        dest = fetch(source.url, tmp_path / "deep" / "scan", **options)
        assert [path.name for path in dest.parent.iterdir()] == ["scan"]
        return dest.read_bytes()

    return fetch_it


@pytest.fixture
def refused(bring, tmp_path):
    """Return a function that fetches in vain and returns the sentence; the file's own name is not taken."""

    def fetch_it(error=DataError, **options):
        with pytest.raises(error) as caught:
            bring(**options)
        assert not (tmp_path / "deep" / "scan").exists()
        return str(caught.value)

    return fetch_it


def have(tmp_path, content, version=None):
    """Leave what an earlier fetch brought."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "scan.partial").write_bytes(content)
    if version:
        (tmp_path / "deep" / "scan.partial.version").write_text(version)


def test_fetch_writes_the_file_and_then_only_checks_it(source, bring):
    for _ in range(2):
        assert bring() == source.content
    assert source.asked == [(None, None)]


@pytest.mark.parametrize("n_bytes", [1, 5000, 5 * BLOCK + 122])
@pytest.mark.parametrize("version", [None, '"one"'])
def test_fetch_goes_on_where_a_stopped_fetch_ended(source, bring, tmp_path, n_bytes, version):
    have(tmp_path, source.content[:n_bytes], version)
    assert bring() == source.content
    assert source.asked == [(f"bytes={n_bytes}-", version)]
    assert source.n_sent == len(source.content) - n_bytes


def test_a_whole_partial_file_needs_no_request(source, bring, tmp_path):
    have(tmp_path, source.content)
    assert bring() == source.content
    assert source.asked == []


def test_a_partial_file_that_is_longer_than_the_source_is_thrown_away(source, bring, tmp_path):
    have(tmp_path, source.content + b"more")
    assert bring() == source.content
    assert source.asked == [(f"bytes={len(source.content) + 4}-", None), (None, None)]


def test_a_wrong_partial_file_without_a_version_is_thrown_away_once(source, bring, tmp_path):
    have(tmp_path, bytes(1000))
    assert bring() == source.content
    assert source.asked == [("bytes=1000-", None), (None, None)]


def test_cut_connections_cost_no_byte_twice(source, bring):
    source.script = [source.cut(2 * BLOCK), source.cut(BLOCK), source.cut(BLOCK)]
    assert bring() == source.content
    starts = [f"bytes={n * BLOCK}-" for n in (2, 3, 4)]
    assert source.asked == [(None, None), *((start, '"one"') for start in starts)]
    assert source.n_sent == len(source.content)


def test_a_source_that_brings_a_little_each_time_is_borne_with(source, bring):
    source.script = [source.cut(BLOCK) for _ in range(5)]
    assert bring(patience=Patience(attempts=2, first_wait_s=0.001, timeout_s=1)) == source.content


def test_a_source_that_ignores_ranges_and_always_stops_at_one_place_is_given_up(source, refused, patience):
    def stops(request):
        source.answer(request, 200, source.content[:BLOCK], length=len(source.content))

    source.script = [stops] * 9
    said = refused()
    assert said.startswith(f"{source.url}: could not be fetched (") and said.endswith(
        f"), {BLOCK} bytes are here; run the command again to go on."
    )
    assert len(source.asked) == patience.attempts


def test_what_has_come_is_kept_when_a_source_is_given_up(source, refused, bring):
    source.script = [source.cut(BLOCK)] + [source.says(500)] * 4
    assert f"{BLOCK} bytes are here" in refused()
    source.script.clear()
    assert bring() == source.content
    assert source.asked[-1] == (f"bytes={BLOCK}-", '"one"')


def test_a_stalled_connection_is_left(source, bring, patience):
    source.script = [source.stall(2 * BLOCK)]
    assert bring(patience=replace(patience, timeout_s=0.2)) == source.content
    assert source.asked[1] == (f"bytes={2 * BLOCK}-", '"one"')


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_source_out_of_order_is_asked_again(source, bring, status):
    source.script = [source.says(status), source.says(status)]
    assert bring() == source.content
    assert len(source.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_source_that_refuses_is_asked_once(source, refused, status):
    source.script = [source.says(status)]
    assert f"{source.url}: the source answers with status {status} (" in refused()
    assert len(source.asked) == 1


def test_retry_after_is_honoured(source, bring):
    source.script = [source.says(429, Retry_After="1")]
    start = time.monotonic()
    bring()
    assert time.monotonic() - start >= 1


def test_retry_after_has_a_bound(source, refused):
    source.script = [source.says(429, Retry_After="3")]
    assert refused() == f"{source.url}: the source asks to come back in 3 s; run the command again then."
    assert len(source.asked) == 1


@pytest.mark.parametrize("value", ["soon", "-1", "1e9", ""])
def test_a_retry_after_that_says_nothing_is_ignored(source, bring, value):
    source.script = [source.says(503, Retry_After=value)]
    assert bring() == source.content


@pytest.mark.parametrize("attempt", range(1, 7))
def test_waits_double_up_to_a_bound_with_jitter(attempt):
    patience = Patience(first_wait_s=1, longest_wait_s=10)
    doubled = min(2 ** (attempt - 1), 10)
    waits = [patience.wait_s(attempt, None, "x") for _ in range(50)]
    assert doubled / 2 <= min(waits) < max(waits) <= doubled


def test_a_range_that_is_ignored_is_no_continuation(source, bring, tmp_path):
    have(tmp_path, source.content[:1000])
    source.script = [lambda request: source.answer(request, 200, source.content)]
    assert bring() == source.content
    assert len(source.asked) == 1


@pytest.mark.parametrize(
    "said", ["bytes 0-{last}/{n}", "bytes 999-{last}/{n}", "bytes */{n}", "items 1000-{last}/{n}", ""]
)
def test_another_range_than_the_wanted_one_is_refused(source, bring, tmp_path, said):
    have(tmp_path, source.content[:1000])
    n_bytes = len(source.content)
    headers = {"Content-Range": said.format(last=n_bytes - 1, n=n_bytes)}
    source.script = [lambda request: source.answer(request, 206, source.content[1000:], headers)]
    assert bring() == source.content
    assert source.asked == [("bytes=1000-", None), (None, None)]


def test_a_file_that_changes_between_two_requests_is_not_glued_together(source, bring):
    old, new = source.content, bytes(reversed(source.content))

    def change(request):
        source.content, source.headers = new, {"ETag": '"two"'}
        source.well(request)

    source.script = [source.cut(2 * BLOCK), change]
    assert bring(sha256=hashlib.sha256(new).hexdigest()) == new != old
    assert source.asked == [(None, None), (f"bytes={2 * BLOCK}-", '"one"')]
    assert source.n_sent == 2 * BLOCK + len(new)


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_a_file_that_changes_unsaid_is_fetched_anew(source, bring, headers):
    source.headers = headers
    new = bytes(reversed(source.content))

    def change(request):
        source.content = new
        source.well(request)

    source.script = [source.cut(2 * BLOCK), change]
    assert bring(sha256=hashlib.sha256(new).hexdigest()) == new
    assert source.asked == [(None, None), (f"bytes={2 * BLOCK}-", None), (None, None)]


def test_a_source_that_honours_ranges_but_not_if_range_is_seen_through(source, bring, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    have(tmp_path, bytes(1000), version='"zero"')
    n_bytes = len(source.content)
    continued = {"Content-Range": f"bytes 1000-{n_bytes - 1}/{n_bytes}"}
    source.script = [lambda request: source.answer(request, 206, source.content[1000:], continued)]
    assert bring() == source.content
    assert source.asked == [("bytes=1000-", '"zero"'), (None, None)]
    assert "asked for bytes from 1000 on, the source says" in caplog.text  # and is not read


def test_a_date_tells_versions_where_there_is_no_tag(source, bring):
    source.headers = {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    source.script = [source.cut(BLOCK)]
    assert bring() == source.content
    assert source.asked[1] == (f"bytes={BLOCK}-", "Mon, 01 Jan 2024 00:00:00 GMT")


def test_a_length_that_is_too_long_does_not_matter_if_the_file_is_whole(source, bring):
    source.script = [lambda request: source.answer(request, 200, source.content, length=len(source.content) + 7)]
    assert bring() == source.content


def test_a_length_that_is_too_short_is_no_whole_file(source, refused):
    source.script = [lambda request: source.answer(request, 200, source.content, length=1000)]
    assert "scan.partial: has sha256" in refused(ChecksumError)


def test_a_file_without_a_length_is_checked_all_the_same(source, bring, refused, tmp_path):
    source.script = [lambda request: source.answer(request, 200, source.content, length="")]
    assert bring() == source.content
    (tmp_path / "deep" / "scan").unlink()
    source.script = [lambda request: source.answer(request, 200, source.content[:-1], length="")]
    assert "scan.partial: has sha256" in refused(ChecksumError)


def test_what_is_compressed_on_the_way_is_taken_as_it_is(source, bring):
    source.headers |= {"Content-Encoding": "gzip"}  # as some servers say of every file that ends with .gz
    assert bring() == source.content


def test_another_content_is_refused_and_leaves_nothing(source, refused, tmp_path):
    assert refused(ChecksumError, sha256="0" * 64) == (
        f"{tmp_path / 'deep' / 'scan.partial'}: has sha256 {source.sha256}, expected {'0' * 64}. "
        f"The source {source.url} has changed or is damaged: fetch it again."
    )
    assert list((tmp_path / "deep").iterdir()) == []


def test_another_content_after_a_resumed_fetch_is_fetched_anew_once_only(source, refused, tmp_path):
    have(tmp_path, source.content[:1000])
    refused(ChecksumError, sha256="0" * 64)
    assert [wanted for wanted, _ in source.asked] == ["bytes=1000-", None]


def test_a_file_of_another_content_is_never_overwritten(source, tmp_path):
    dest = tmp_path / "scan"
    dest.write_bytes(b"mine")
    with pytest.raises(ChecksumError, match=r"Delete it and fetch it again\.$"):
        fetch(source.url, dest, sha256=source.sha256)
    assert dest.read_bytes() == b"mine" and source.asked == []


def test_fetch_wants_a_checksum(tmp_path):
    with pytest.raises(ConfigError, match=r"http://x/y: has no checksum; add `sha256`"):
        fetch("http://x/y", tmp_path / "y")


def test_fetch_accepts_md5_in_capitals_and_local_files(source, tmp_path):
    (tmp_path / "local").write_bytes(source.content)
    md5 = hashlib.md5(source.content).hexdigest().upper()
    assert fetch((tmp_path / "local").as_uri(), tmp_path / "copy", md5=md5).read_bytes() == source.content


def test_a_local_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"gone: could not be .* \(No such file or directory\)"):
        fetch((tmp_path / "gone").as_uri(), tmp_path / "copy", md5="0" * 32)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/y", "http://nowhere.invalid/y"])
def test_an_unreachable_source_is_one_sentence(tmp_path, patience, url):
    with pytest.raises(
        DataError, match=r"could not be fetched \(ConnectionError\), 0 bytes are here; run the command again"
    ):
        fetch(url, tmp_path / "y", sha256="0" * 64, patience=patience)


@pytest.mark.parametrize("url", ["ftp://x/y", "http:///y", "http://[y", "no address"])
def test_an_address_that_is_none_is_one_sentence(tmp_path, patience, url):
    with pytest.raises((DataError, ConfigError), match=r"mend card\.yaml"):
        fetch(url, tmp_path / "y", sha256="0" * 64, patience=patience)


def test_a_file_that_does_not_fit_on_the_disk_is_refused_before_it_comes(source, refused):
    source.script = [lambda request: source.answer(request, 200, b"", length=10**18)]
    assert "scan.partial: needs 1000000000.0 GB more on the disk of" in refused()


def test_a_folder_that_cannot_be_written_is_one_sentence(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"could not be written to .*file/scan \(.+\); mend that"):
        fetch(source.url, tmp_path / "file" / "scan", sha256=source.sha256)


class _Leading(requests.adapters.BaseAdapter):
    """Answers every request with a redirect."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def send(self, request, **_):
        response = requests.Response()
        response.status_code, response.url, response.request = 302, request.url, request
        response.headers["location"] = self.target
        response.raw = requests.packages.urllib3.HTTPResponse(body=b"")
        return response

    def close(self):
        pass


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/y?token=secret", "ftp://127.0.0.1/y"])
def test_nothing_leads_from_an_encrypted_connection_to_an_open_one(target):
    session = Session()
    session.mount("https://", _Leading(target))
    with pytest.raises(DataError, match=r"https://x/y: leads to an address without encryption") as caught:
        session.get("https://x/y?token=secret")
    assert "secret" not in str(caught.value)


def test_a_redirect_is_followed_with_the_range(source, bring, tmp_path):
    have(tmp_path, source.content[:1000])
    source.script = [source.says(302, Location="/elsewhere")]
    assert bring() == source.content
    assert source.asked == [("bytes=1000-", None)] * 2


def test_who_comes_second_waits_and_asks_for_nothing(source, patience, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    source.script = [source.pause(BLOCK)]
    patience = Patience(timeout_s=20)
    options = {"sha256": source.sha256, "patience": patience}
    threads = [Thread(target=fetch, args=(source.url, tmp_path / "scan"), kwargs=options) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: caplog.text.count("waiting for another process that writes it") == 2)
    source.go_on.set()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]
    assert (tmp_path / "scan").read_bytes() == source.content
    assert len(source.asked) == 1


def test_who_waits_can_be_stopped(source, refused, tmp_path):
    stop = Event()
    (tmp_path / "deep").mkdir()
    with exclusive(tmp_path / "deep" / "scan.partial"):
        Timer(0.05, stop.set).start()
        assert refused(stop=stop) == (
            f"{tmp_path / 'deep' / 'scan.partial'}: stopped while another process writes it; "
            "run the command again to go on."
        )
    assert source.asked == []


def wait_until(is_so):
    for _ in range(2000):
        if is_so():
            return
        time.sleep(0.01)
    pytest.fail("waited in vain for 20 s")


@pytest.mark.parametrize("is_waited_for", [False, True])
def test_a_killed_fetch_is_resumed(source, bring, tmp_path, outside_environment, is_waited_for, caplog):
    caplog.set_level(logging.INFO)
    source.script = [source.stall(3 * BLOCK + 1000)]
    code = "import sys, pathlib; from voxelbench.data.download import fetch; "
    code += "fetch(sys.argv[1], pathlib.Path(sys.argv[2]), sha256=sys.argv[3])"
    command = [sys.executable, "-c", code, source.url, tmp_path / "deep" / "scan", source.sha256]
    killed = subprocess.Popen(command, env=outside_environment)
    partial = tmp_path / "deep" / "scan.partial"
    wait_until(lambda: partial.exists() and partial.stat().st_size == 3 * BLOCK)
    brought = []
    second = Thread(target=lambda: brought.append(bring()))
    if is_waited_for:
        second.start()
        wait_until(lambda: "waiting for another process" in caplog.text)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    if not is_waited_for:
        assert partial.read_bytes() == source.content[: 3 * BLOCK]
        second.start()
    second.join()
    assert brought == [source.content]
    assert source.asked == [(None, None), (f"bytes={3 * BLOCK}-", '"one"')]
    assert source.n_sent == len(source.content) + 1000


def test_a_stopped_fetch_ends_at_its_next_byte_and_keeps_what_came(source, refused):
    stop = Event()
    said = refused(report=lambda here, _: stop.set(), stop=stop)
    assert said == f"{source.url}: stopped, {BLOCK} bytes are here; run the command again to go on."
