import hashlib
import io
import tarfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest

from voxelbench.data import download
from voxelbench.errors import ChecksumError, ConfigError, DataError

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Source(BaseHTTPRequestHandler):
    """Serves CONTENT, honours Range, and keeps the ranges that it was asked for."""

    def __init__(self, asked, *args):
        self.asked = asked
        super().__init__(*args)

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.send_response(416 if start >= len(CONTENT) else 206 if wanted else 200)
        body = CONTENT[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def source():
    """Yield the URL of a local server and the list of ranges that were asked of it."""
    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Source, asked))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/scan.nii.gz", asked
    server.shutdown()
    server.server_close()


def test_fetch_writes_the_file_and_then_only_checks_it(source, tmp_path):
    url, asked = source
    dest = tmp_path / "deep" / "scan.nii.gz"
    for _ in range(2):
        assert download.fetch(url, dest, sha256=SHA256).read_bytes() == CONTENT
    assert asked == [None]


@pytest.mark.parametrize("n_bytes", [1, 5000, len(CONTENT)])
def test_fetch_goes_on_where_a_stopped_fetch_ended(source, tmp_path, n_bytes):
    url, asked = source
    (tmp_path / "scan.partial").write_bytes(CONTENT[:n_bytes])
    assert download.fetch(url, tmp_path / "scan", sha256=SHA256).read_bytes() == CONTENT
    assert asked == [f"bytes={n_bytes}-"]


def test_fetch_accepts_md5_and_local_files(tmp_path):
    (tmp_path / "local").write_bytes(CONTENT)
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert download.fetch((tmp_path / "local").as_uri(), tmp_path / "copy", md5=md5).read_bytes() == CONTENT


def test_fetch_refuses_another_content_and_leaves_nothing(source, tmp_path):
    url, _ = source
    with pytest.raises(ChecksumError) as caught:
        download.fetch(url, tmp_path / "scan", sha256="0" * 64)
    assert str(caught.value) == (
        f"{tmp_path / 'scan.partial'}: has sha256 {SHA256}, expected {'0' * 64}. "
        f"The source {url} has changed or is damaged: fetch it again."
    )
    assert list(tmp_path.iterdir()) == []


def test_fetch_never_overwrites_a_file_of_another_content(source, tmp_path):
    dest = tmp_path / "scan"
    dest.write_bytes(b"mine")
    with pytest.raises(ChecksumError, match=r"Delete it and fetch it again\.$"):
        download.fetch(source[0], dest, sha256=SHA256)
    assert dest.read_bytes() == b"mine"


def test_fetch_wants_a_checksum(tmp_path):
    with pytest.raises(ConfigError, match=r"http://x/y: has no checksum; add `sha256`"):
        download.fetch("http://x/y", tmp_path / "y")


def test_an_unreachable_source_is_one_sentence(tmp_path):
    with pytest.raises(
        DataError, match=r"could not be fetched \(ConnectionError\), 0 bytes are here; run the command again"
    ):
        download.fetch("http://127.0.0.1:9/y", tmp_path / "y", sha256=SHA256)


def _member(name, content=b"voxels", **attributes):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in attributes.items():
        setattr(member, key, value)
    return member, content


@pytest.fixture
def pack(tmp_path):
    """Return a function that writes members to an archive."""

    def write(*members):
        with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as tar:
            for member, content in members:
                tar.addfile(member, io.BytesIO(content))
        return tmp_path / "archive.tar.gz"

    return write


def test_unpack_takes_the_wanted_members_only(pack, tmp_path):
    archive = pack(_member("set/a.nii"), _member("set/setup.py"), _member("set/sub/b.nii"))
    download.unpack(archive, tmp_path / "out", ["set/*.nii"])
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert names == ["set/a.nii", "set/sub/b.nii"]


def test_unpack_leaves_a_complete_folder_alone(pack, tmp_path):
    (tmp_path / "out").mkdir()
    download.unpack(pack(_member("a")), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "attributes", "problem"),
    [
        ("../escape", {}, "would be written outside of its folder"),
        ("set/../../escape", {}, "would be written outside of its folder"),
        ("/etc/escape", {}, "would be written outside of its folder"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is a link or a device"),
        ("inner", {"type": tarfile.SYMTYPE, "linkname": "a"}, "is a link or a device"),
        ("hard", {"type": tarfile.LNKTYPE, "linkname": "../escape"}, "is a link or a device"),
        ("pipe", {"type": tarfile.FIFOTYPE}, "is a link or a device"),
    ],
)
def test_an_unsafe_member_is_refused(pack, tmp_path, name, attributes, problem):
    archive = pack(_member("a"), _member(name, b"", **attributes))
    with pytest.raises(DataError) as caught:
        download.unpack(archive, tmp_path / "out")
    assert str(caught.value) == (
        f"{archive}: member '{name}' {problem}, so the archive is refused; get it from its publisher."
    )
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "escape").exists()


def test_a_bomb_is_refused_before_it_expands(pack, tmp_path):
    archive = pack(_member("a"), _member("zeros", bytes(20_000_000)))
    with pytest.raises(DataError, match=r"unpacks to more than .* MB, 100 times its size"):
        download.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.9])
def test_a_truncated_archive_is_one_sentence(pack, tmp_path, kept):
    archive = pack(_member("a", np.random.RandomState(0).bytes(50_000)))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=r"not a whole tar archive \(.*\)\. Delete it and fetch it again\.$"):
        download.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_pattern_without_a_match_is_named(pack, tmp_path):
    with pytest.raises(DataError, match=r"holds nothing that matches 'b\*'"):
        download.unpack(pack(_member("a")), tmp_path / "out", ["a", "b*"])


def test_a_missing_archive_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"gone\.tar: not a whole tar archive \(FileNotFoundError"):
        download.unpack(tmp_path / "gone.tar", tmp_path / "out")


@pytest.mark.network
def test_fetch_sdist_names_a_package_without_a_source_archive(tmp_path):
    with pytest.raises(DataError, match=r"einops==0\.0\.0: pip's package index has no source archive of it"):
        download.fetch_sdist("einops", "0.0.0", SHA256, tmp_path / "einops.tar.gz")
