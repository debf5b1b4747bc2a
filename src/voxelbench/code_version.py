"""Which code runs: the commit of the checkout, and whether what decides numbers was changed since."""

import os
import subprocess
from functools import cache
from typing import NamedTuple

from voxelbench import paths
from voxelbench.errors import ConfigError

PATIENCE_S = 20
"""How long git may take; a run does not wait for a broken file server."""


class CodeVersion(NamedTuple):
    """A commit, and how many files under `paths.CODE` differ from it or are new; None where git tells nothing."""

    commit: str | None
    n_changed: int | None


@cache
def code_version() -> CodeVersion:
    """Return the version of the checkout's code; git is asked once a process, and its failure is nobody else's."""
    root = paths.checkout()
    if root is None or not (root / ".git").exists():  # a folder, or a file in a linked worktree
        return CodeVersion(None, None)
    asked = ("git", "-C", str(root), "status", "--porcelain=v2", "--branch", "--", *paths.CODE)
    # Without optional locks git writes nothing, so jobs side by side do not wait for each other.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment, timeout=PATIENCE_S)
    except (OSError, subprocess.SubprocessError):
        return CodeVersion(None, None)
    return parse_status(done.stdout)


def parse_status(text: str) -> CodeVersion:
    """Return the version that `git status --porcelain=v2 --branch` prints."""
    oid = "# branch.oid "
    lines = text.splitlines()
    commit = next((line.removeprefix(oid) for line in lines if line.startswith(oid)), "(initial)")
    n_changed = sum(not line.startswith("#") for line in lines)
    return CodeVersion(None if commit == "(initial)" else commit, n_changed)


def commit_date(commit: str) -> str:
    """Return when a commit of the checkout was made, ISO 8601. Raises ConfigError if git does not know."""
    asked = ("git", "-C", str(paths.checkout()), "show", "--no-patch", "--format=%cI", commit)
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        raise ConfigError(f"git does not know commit {commit} of {paths.checkout()}; fetch it.") from None
