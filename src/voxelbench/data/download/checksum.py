"""Checksums: what a card says that a file has, and what it really has."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from voxelbench.errors import ChecksumError, ConfigError


@dataclass(frozen=True)
class Checksum:
    """The announced digest of one file, in lower-case hexadecimal digits."""

    algorithm: str
    expected: str

    @classmethod
    def announced(cls, address: str, sha256: str | None, md5: str | None) -> "Checksum":
        """Return the stronger of what was announced. Raises ConfigError if nothing was."""
        if sha256:
            return cls("sha256", sha256.lower())
        if md5:
            return cls("md5", md5.lower())
        raise ConfigError(f"{address}: has no checksum; add `sha256` (or `md5`) to the file's entry in card.yaml.")

    def check(self, path: Path) -> None:
        """Check a file that is there already. Raises ChecksumError."""
        with path.open("rb") as file:
            found = hashlib.file_digest(file, self.algorithm).hexdigest()
        if found != self.expected:
            raise self.mismatch(path, found, "Delete it and fetch it again.")

    def mismatch(self, path: Path, found: str, remedy: str) -> ChecksumError:
        """Return the error of a file that has another digest."""
        return ChecksumError(f"{path}: has {self.algorithm} {found}, expected {self.expected}. {remedy}")
