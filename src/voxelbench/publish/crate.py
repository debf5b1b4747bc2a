"""A crate, written whole or not at all; only a crate of ours is ever replaced."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxelbench import paths
from voxelbench.code_version import code_version
from voxelbench.errors import PublicationRefused
from voxelbench.publish.contents import Item, contents
from voxelbench.publish.entities import SOFTWARE
from voxelbench.publish.evidence import gather
from voxelbench.publish.metadata import sha256, write_metadata
from voxelbench.publish.readme import readme
from voxelbench.publish.refusals import refusals
from voxelbench.publish.withheld import withhold


def publish(out: Path, budget: str, tables: tuple[str, ...], weights: bool = False, several_commits: str = "") -> None:
    """Write some tables of a budget, all if none is named, with all that they stand on, as an RO-Crate.

    `several_commits` says why the numbers of runs that several commits made agree; `weights` adds the backbones.
    Raises PublicationRefused with every reason against it.
    """
    evidence, code = gather(budget, tables), code_version()
    reasons = [*_occupied(out), *refusals(evidence, code, several_commits)]
    if reasons or code.commit is None:
        raise PublicationRefused(reasons)
    items, withheld = withhold(contents(evidence, weights), evidence)
    with _written_whole(out) as folder:
        for item in items:
            _stage(item, folder)
        text = readme(evidence, code.commit, withheld, several_commits)
        (folder / paths.CRATE_README).write_text(text, encoding="utf-8")
        described = {item.place: item.what for item in items} | {paths.CRATE_README: "what this is, for people"}
        checksums = "".join(f"{sha256(folder / place)}  {place}\n" for place in sorted(described))
        (folder / paths.CRATE_CHECKSUMS).write_text(checksums, encoding="utf-8")
        described[paths.CRATE_CHECKSUMS] = "checksums of all files, for `sha256sum --check`"
        write_metadata(folder, evidence, described, code.commit, several_commits)


def _stage(item: Item, folder: Path) -> None:
    target = folder / item.place
    target.parent.mkdir(parents=True, exist_ok=True)
    if item.text is None:
        shutil.copyfile(item.path, target)
    else:
        target.write_text(item.text, encoding="utf-8")


def _occupied(out: Path) -> Iterator[str]:
    """Yield why a crate cannot be written there: something else is."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not _is_ours(out)):
        yield f"{out} is there and holds no crate of voxelbench; name another folder."


def _is_ours(folder: Path) -> bool:
    try:
        graph = json.loads((folder / paths.CRATE_METADATA).read_text(encoding="utf-8"))["@graph"]
        return any(entity["@id"].startswith(SOFTWARE) for entity in graph)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def _written_whole(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out` that takes its place at the end, or vanishes with the first error."""
    partial, former = (out.with_name(f"{out.name}.{state}") for state in ("partial", "former"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if out.exists():
            out.replace(former)
        partial.replace(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(former, ignore_errors=True)
