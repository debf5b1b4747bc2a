"""Archives that lie, leave their folder, or never end: refused, and nothing of them stays."""

import io
import tarfile

import numpy as np
import pytest

from voxelbench.data import download
from voxelbench.errors import DataError


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
    with pytest.raises(DataError, match=r"not a whole tar or zip archive \(.*\)\. Delete it and fetch it again\.$"):
        download.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_pattern_without_a_match_is_named(pack, tmp_path):
    with pytest.raises(DataError, match=r"holds nothing that matches 'b\*'"):
        download.unpack(pack(_member("a")), tmp_path / "out", ["a", "b*"])


def test_a_missing_archive_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"gone\.tar: not a whole tar or zip archive \(FileNotFoundError"):
        download.unpack(tmp_path / "gone.tar", tmp_path / "out")


@pytest.mark.network
def test_fetch_sdist_names_a_package_without_a_source_archive(tmp_path):
    with pytest.raises(DataError, match=r"einops==0\.0\.0: pip's package index has no source archive of it"):
        download.fetch_sdist("einops", "0.0.0", "0" * 64, tmp_path / "einops.tar.gz")
