"""Debian packages, with stand-ins for apt-get and dpkg-deb on PATH."""

import hashlib
import tarfile

import pytest

from voxelbench.cards import RemoteFile
from voxelbench.data.debian import download_deb
from voxelbench.errors import ChecksumError, DataError

APT = """#!/bin/sh
[ "$1 $2" = "download toys=1.0-2" ] || { echo "E: Version for '$2' was not found" >&2; exit 100; }
echo run >> {log}
cp {tree} toys_1.0-2_all.deb
"""
# The stand-in package is its own file tree.
DPKG = """#!/bin/sh
[ "$1" = "--fsys-tarfile" ] && exec cat "$2"
exit 2
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Put stand-ins on PATH; return the package on a card, and the log of apt's runs."""
    (tmp_path / "scan").write_text("voxels")
    tree, log = tmp_path / "tree.tar", tmp_path / "log"
    with tarfile.open(tree, "w") as tar:
        tar.add(tmp_path / "scan", "./usr/share/toys/scan")
        tar.add(tmp_path / "scan", "./usr/share/doc/toys/copyright")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in (("apt-get", APT), ("dpkg-deb", DPKG)):
        (folder / name).write_text(script.replace("{tree}", str(tree)).replace("{log}", str(log)))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    sha256 = hashlib.sha256(tree.read_bytes()).hexdigest()
    return RemoteFile(url="pkg:deb/debian/toys@1.0-2", sha256=sha256), log


def test_the_named_members_alone_are_unpacked(tools, tmp_path):
    folder = download_deb(tools[0], tmp_path / "raw", ["usr/share/toys/*"])
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()] == [
        "usr/share/toys/scan"
    ]


def test_a_package_that_is_there_is_checked_and_not_fetched_again(tools, tmp_path):
    package, log = tools
    for _ in range(2):
        download_deb(package, tmp_path / "raw", ["usr/share/toys/*"])
    assert log.read_text() == "run\n"
    (tmp_path / "raw" / "archives" / "toys_1.0-2.deb").write_bytes(b"another")
    with pytest.raises(ChecksumError, match="has sha256"):
        download_deb(package, tmp_path / "raw", ["usr/share/toys/*"])


def test_a_package_of_another_content_is_refused(tools, tmp_path):
    with pytest.raises(ChecksumError, match=f"expected {'0' * 64}"):
        download_deb(tools[0].model_copy(update={"sha256": "0" * 64}), tmp_path / "raw", ["usr/*"])
    assert not (tmp_path / "raw" / "toys").exists()


def test_a_version_that_apt_does_not_know_says_what_to_do(tools, tmp_path):
    other = tools[0].model_copy(update={"url": "pkg:deb/debian/toys@2"})
    with pytest.raises(DataError, match=r"download toys=2` failed \(E: Version for 'toys=2' was not found\); run `apt"):
        download_deb(other, tmp_path / "raw", ["usr/*"])


def test_where_apt_is_missing_one_sentence_says_so(tools, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(DataError, match="apt-get: not found; this dataset lies in a Debian package"):
        download_deb(tools[0], tmp_path / "raw", ["usr/*"])
