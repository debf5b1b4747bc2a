"""Archives that lie, leave their folder, or never end: refused, and nothing of them stays."""

import io
import shutil
import stat
import tarfile
import zipfile
from threading import Thread

import numpy as np
import pytest

from voxelbench.data import download
from voxelbench.data.download import archive as archive_module
from voxelbench.errors import DataError

RANDOM = np.random.RandomState(0).bytes(50_000)


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.type, member.linkname = TAR_KINDS[kind]
            tar.addfile(member, io.BytesIO(content))
    return path


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content, kind in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = ZIP_KINDS[kind] << 16
            file.writestr(info, content)
    return path


TAR_KINDS = {
    "file": (tarfile.REGTYPE, ""),
    "folder": (tarfile.DIRTYPE, ""),
    "link": (tarfile.SYMTYPE, "/etc/passwd"),
    "inner link": (tarfile.SYMTYPE, "a"),
    "hard link": (tarfile.LNKTYPE, "../escape"),
    "pipe": (tarfile.FIFOTYPE, ""),
    "device": (tarfile.CHRTYPE, ""),
}
ZIP_KINDS = {
    "file": stat.S_IFREG | 0o644,
    "folder": stat.S_IFDIR | 0o755,
    "link": stat.S_IFLNK | 0o777,
    "pipe": stat.S_IFIFO | 0o644,
    "device": stat.S_IFCHR | 0o644,
}


@pytest.fixture(params=["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def pack(request, tmp_path):
    """Return a function that writes members (name, content, kind) to an archive of one kind."""
    kind = request.param

    def write(*members):
        path = tmp_path / f"archive.{kind}"
        if kind == "zip":
            return zip_of(path, members)
        return tar_of(path, members, "w:" + kind.removeprefix("tar").removeprefix("."))

    return write


@pytest.fixture
def refused(tmp_path):
    """Return a function that unpacks in vain and returns the sentence; nothing may be there afterwards."""

    def unpack(archive, *members):
        with pytest.raises(DataError) as caught:
            download.unpack(archive, tmp_path / "below" / "out", *members)
        assert list((tmp_path / "below").iterdir()) == []
        assert not list(tmp_path.rglob("escape*"))
        return str(caught.value)

    return unpack


def plain(name, content=b"voxels"):
    return name, content, "file"


def test_unpack_takes_the_wanted_members_only(pack, tmp_path):
    archive = pack(plain("set/a.nii"), plain("set/setup.py"), plain("set/sub/b.nii", RANDOM), ("set/e", b"", "folder"))
    download.unpack(archive, tmp_path / "out", ["set/*.nii"])
    found = {str(path.relative_to(tmp_path / "out")): path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found.keys() == {"set/a.nii", "set/sub/b.nii"}
    assert found["set/sub/b.nii"].read_bytes() == RANDOM
    assert {path.name for path in tmp_path.iterdir()} == {"out", archive.name}


def test_unpack_leaves_a_complete_folder_alone(pack, tmp_path):
    (tmp_path / "out").mkdir()
    download.unpack(pack(plain("a")), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_unpacking_left_is_no_part_of_the_next(pack, tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "old").write_text("half")
    download.unpack(pack(plain("a")), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_two_that_unpack_the_same_archive_do_not_meet(pack, tmp_path):
    archive = pack(*(plain(f"{number}", RANDOM) for number in range(20)))
    threads = [Thread(target=download.unpack, args=(archive, tmp_path / "out")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == {RANDOM}
    assert {path.name for path in tmp_path.iterdir()} == {"out", archive.name}


OUTSIDE = "would be written outside of its folder"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../escape", OUTSIDE),
        ("set/../../escape", OUTSIDE),
        ("/etc/escape", OUTSIDE),
        ("..\\escape", OUTSIDE),
        ("C:\\escape", OUTSIDE),
        ("\\\\host\\escape", OUTSIDE),
        ("A", "would be written over 'a'"),
        ("set/scan.NII", "would be written over 'set/scan.nii'"),
        ("SET/other.nii", "would be written over 'set'"),
        ("a", "would be written over 'a'"),
        ("a/b", "would be written over 'a'"),
        ("./a", "would be written over 'a'"),
        ("u\u0308", "would be written over '\u00fc'"),
    ],
)
@pytest.mark.parametrize("pack", ["tar.gz", "zip"], indirect=True)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_unsafe_name_is_refused(pack, refused, name, problem):
    archive = pack(plain("a"), plain("set/scan.nii"), plain("\u00fc"), plain(name))
    assert refused(archive) == (
        f"{archive}: member '{name}' {problem}, so the archive is refused; get it from its publisher."
    )


NO_FILES = [("tar", kind) for kind in [*TAR_KINDS][2:]] + [("zip", kind) for kind in [*ZIP_KINDS][2:]]


@pytest.mark.parametrize(("pack", "kind"), NO_FILES, indirect=["pack"])
def test_a_member_that_is_no_file_is_refused(pack, refused, kind):
    archive = pack(plain("a"), ("set/odd", b"", kind))
    assert "member 'set/odd' is a link or a device, so the archive is refused" in refused(archive)


@pytest.mark.parametrize("pack", ["tar.gz", "tar.bz2", "tar.xz", "zip"], indirect=True)
def test_a_bomb_is_refused_before_it_expands(pack, refused):
    assert "MB, 100 times its size. It is not the expected archive" in refused(
        pack(plain("a"), plain("zeros", bytes(20_000_000)))
    )


def test_a_bomb_of_many_small_members_is_refused(pack, refused, monkeypatch):
    monkeypatch.setattr(archive_module, "MAX_MEMBERS", 30)
    assert "has more than 30 members" in refused(pack(*(plain(f"{number}", b"") for number in range(31))))


def test_what_does_not_fit_on_the_disk_is_refused(pack, refused, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=40_000))
    assert "needs 0.0 GB more on the disk of" in refused(pack(plain("a"), plain("b", RANDOM)))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_says_that_it_is_huge_is_not_read(tmp_path, refused, kind):
    header = tarfile.TarInfo("name")
    header.type, header.size = kind, 1 << 32
    path = tmp_path / "archive.tar"
    path.write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(10_240))
    assert "a header of " in refused(path)


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.8])
def test_a_truncated_archive_is_one_sentence(pack, refused, kept):
    archive = pack(plain("a", RANDOM))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * kept)])
    said = refused(archive)
    assert "not a whole tar or zip archive (" in said and said.endswith("). Delete it and fetch it again.")


@pytest.mark.parametrize("pack", ["tar"], indirect=True)
@pytest.mark.parametrize("spoil", [lambda end: b"", lambda end: b"?" + end[1:], lambda end: end[:-10_000] + RANDOM])
def test_a_tar_that_ends_too_early_is_not_whole(pack, refused, spoil):
    """The first member is whole; what follows is cut off, no header, or no padding."""
    archive = pack(plain("a", RANDOM[:1024]), plain("b"))
    content = archive.read_bytes()
    archive.write_bytes(content[: 512 + 1024] + spoil(content[512 + 1024 :]))
    assert "(ReadError: the mark of its end is missing)" in refused(archive)


@pytest.mark.parametrize("pack", ["tar.gz", "tar.bz2", "tar.xz", "zip"], indirect=True)
def test_a_damaged_archive_is_one_sentence(pack, refused):
    archive = pack(plain("a", RANDOM))
    content = bytearray(archive.read_bytes())
    content[20_000] ^= 0xFF
    archive.write_bytes(content)
    assert "not a whole tar or zip archive (" in refused(archive)


def test_a_zip_that_is_encrypted_is_one_sentence(tmp_path, refused):
    archive = zip_of(tmp_path / "archive.zip", [plain("a", RANDOM)])
    content = bytearray(archive.read_bytes())
    for offset in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[offset] |= 1
    archive.write_bytes(content)
    assert "not a whole tar or zip archive (RuntimeError: File <ZipInfo filename='a'" in refused(archive)


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path):
    inner = zip_of(tmp_path / "inner.zip", [plain("x")]).read_bytes()
    archive = tar_of(tmp_path / "archive.tar", [plain("inner.zip", inner)], "w")
    assert zipfile.is_zipfile(archive)
    download.unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "inner.zip").read_bytes() == inner


def test_a_pattern_without_a_match_is_named(pack, refused):
    assert "holds nothing that matches 'b*'; expected another release of it?" in refused(pack(plain("a")), ["a", "b*"])


def test_a_missing_archive_is_one_sentence(tmp_path, refused):
    assert "gone.tar: not a whole tar or zip archive (FileNotFoundError" in refused(tmp_path / "gone.tar")


@pytest.mark.network
def test_fetch_sdist_names_a_package_without_a_source_archive(tmp_path):
    with pytest.raises(DataError, match=r"einops==0\.0\.0: pip's package index has no source archive of it"):
        download.fetch_sdist("einops", "0.0.0", "0" * 64, tmp_path / "einops.tar.gz")
