"""A conda channel of two noarch packages, written by hand: `python`, which hands over to another Python, and `pip`."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import rattler


def make_channel(root: Path, python: str, python_version: str) -> Path:
    """Write the channel to `root` and return it. Its `bin/python` runs the interpreter `python`."""
    run_python = f'#!/bin/sh\nexec "{python}" "$@"\n'
    run_pip = f'#!/bin/sh\nexec "{python}" -m pip "$@"\n'
    noarch = root / "noarch"
    noarch.mkdir(parents=True)
    packages = dict(
        [
            _write_package(noarch, "python", python_version, [], {"bin/python": run_python, "bin/python3": run_python}),
            _write_package(noarch, "pip", "25.0", ["python >=3.8"], {"bin/pip": run_pip}),
        ]
    )
    _write_index(noarch, packages)
    _write_index(root / str(rattler.Platform.current()), {})
    return root


def _write_package(
    folder: Path, name: str, version: str, depends: list[str], files: dict[str, str]
) -> tuple[str, dict[str, object]]:
    """Write one package; return its file name and its entry in the index."""
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": depends,
        "subdir": "noarch",
        "noarch": "generic",
    }
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "size_in_bytes": len(text.encode()),
        }
        for path, text in files.items()
    ]
    metadata = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths_version": 1, "paths": paths}),
        "info/files": "\n".join(files),
    }
    archive = folder / f"{name}-{version}-0.tar.bz2"
    with tarfile.open(archive, "w:bz2") as tar:
        for path, text in (metadata | files).items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            member.mode = 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
    content = archive.read_bytes()
    return archive.name, index | {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def _write_index(folder: Path, packages: dict[str, dict[str, object]]) -> None:
    folder.mkdir(exist_ok=True)
    index = {"info": {"subdir": folder.name}, "packages": packages, "packages.conda": {}, "repodata_version": 1}
    (folder / "repodata.json").write_text(json.dumps(index))
