"""What the tests of all datasets share: a twin in native layout, an index of tiny archives, and where voxels lie."""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from voxelbench import paths, registry
from voxelbench.cards import DatasetCard, RemoteFile, Twin
from voxelbench.data.case import Case, read_cases


@pytest.fixture(scope="session")
def drawn_twin(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, DatasetCard]]:
    """Return a function that draws a twin of 2 + 2 + 2 cases once a session; nobody changes its folder."""

    @cache
    def draw(name: str) -> tuple[Path, DatasetCard]:
        card = registry.dataset_card(name)
        assert card.twin is not None
        small = card.model_copy(update={"twin": Twin(train=2, val=2, test=2, version=card.twin.version)})
        raw = tmp_path_factory.mktemp("twin") / name
        registry.load_dataset(name).phantom(raw, small)
        return raw, small

    return draw


@pytest.fixture
def write_twin(
    tmp_path: Path, drawn_twin: Callable[..., tuple[Path, DatasetCard]]
) -> Callable[[str], tuple[Path, DatasetCard]]:
    """Return a function that returns a twin's folder, which a test may change, and its card."""

    def write(name: str) -> tuple[Path, DatasetCard]:
        drawn, card = drawn_twin(name)
        return Path(shutil.copytree(drawn, tmp_path / "raw" / name)), card

    return write


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., list[Case]]:
    """Return a function that prepares a native folder on a grid, and reads its cases back."""

    def run(raw: Path, card: DatasetCard, grid: str | float = "native") -> list[Case]:
        out = tmp_path / "prepared" / card.name / str(grid)
        registry.load_dataset(card.name).prepare(raw, out, card, grid)
        return read_cases(paths.manifest(out))

    return run


@pytest.fixture
def serve_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DatasetCard]:
    """Return a function that makes pip's sources a folder of tiny source archives.

    It takes a card and, for each package on it, a function that fills the archive's top folder, and returns the card
    with the archives' checksums. Each archive also has code, which must not run.
    """
    index = tmp_path / "index"
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))

    def pack(file: RemoteFile, fill: dict[str, Callable[[Path], None]]) -> RemoteFile:
        root = file.url.removeprefix("pkg:pypi/").replace("@", "-")
        folder = tmp_path / "sources" / root
        folder.mkdir(parents=True)
        (folder / "setup.py").write_text("raise SystemExit('executed')")
        fill[root.rpartition("-")[0]](folder)
        archive = index / f"{root}.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(folder, arcname=root)
        return RemoteFile(url=file.url, sha256=hashlib.sha256(archive.read_bytes()).hexdigest())

    def serve(card: DatasetCard, fill: dict[str, Callable[[Path], None]]) -> DatasetCard:
        index.mkdir()
        return card.model_copy(update={"files": tuple(pack(file, fill) for file in card.files)})

    return serve


@pytest.fixture
def assert_same_world() -> Callable[..., None]:
    """Return a check that voxels of a native file are found at the same place in mm in a case on the native grid."""

    def check(case: Case, channel: str, native: Path, factor: float = 1.0) -> None:
        image = nib.load(native)
        volume = image.get_fdata()
        prepared = case.read([channel])[0]
        for index in (np.unravel_index(volume.argmax(), volume.shape), (0, 1, 2), (5, 9, 4)):
            voxel = np.linalg.solve(case.affine, image.affine @ [*index, 1.0])[:3]
            assert voxel == pytest.approx(voxel.round(), abs=1e-3)
            assert prepared[tuple(voxel.round().astype(int))] == pytest.approx(volume[tuple(index)] * factor, rel=1e-4)

    return check
