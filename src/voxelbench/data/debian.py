"""Files that lie in Debian packages: fetched by apt, checked and unpacked; nothing is installed or executed."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from voxelbench.cards import RemoteFile
from voxelbench.data.download import fetch, unpack
from voxelbench.errors import DataError

SCHEME = "pkg:deb/debian/"
"""How a card names a package: `pkg:deb/debian/<package>@<version>`."""


def download_deb(file: RemoteFile, raw: Path, members: Sequence[str]) -> Path:
    """Fetch a package to `raw/archives` and return the folder with those of its files that match a pattern.

    Raises DataError where apt is missing, or knows no such version, ChecksumError for a package of another content.
    """
    package, version = file.url.removeprefix(SCHEME).split("@")
    archive = raw / "archives" / f"{package}_{version}.deb"
    if archive.exists():
        fetch(file.url, archive, sha256=file.sha256)
    else:
        with TemporaryDirectory() as folder:
            _run("apt-get", "download", f"{package}={version}", cwd=Path(folder))
            fetch(next(Path(folder).glob("*.deb")).as_uri(), archive, sha256=file.sha256)
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "tree.tar"
        tree.write_bytes(_run("dpkg-deb", "--fsys-tarfile", str(archive.resolve())))
        unpack(tree, raw / package, [f"./{member}" for member in members])
    return raw / package


def _run(tool: str, *arguments: str, cwd: Path | None = None) -> bytes:
    """Run a tool of Debian's and return what it printed. Raises DataError if it is missing or fails."""
    if shutil.which(tool) is None:
        raise DataError(
            f"{tool}: not found; this dataset lies in a Debian package, so fetch it on a machine with Debian or Ubuntu."
        )
    try:
        return subprocess.run([tool, *arguments], cwd=cwd, check=True, capture_output=True).stdout
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise DataError(
            f"`{tool} {' '.join(arguments)}` failed ({': '.join(said)}); run `apt-get update`, or look whether this "
            "release of Debian has that version (`apt-cache policy`)."
        ) from None
