"""Open data: fetched whole or not at all, checked against a checksum, and unpacked without executing anything."""

from voxelbench.data.download.archive import MAX_EXPANSION, MAX_MEMBERS, unpack
from voxelbench.data.download.dataset import download_archives, fetch_all
from voxelbench.data.download.fetching import fetch
from voxelbench.data.download.package import fetch_sdist
from voxelbench.data.download.patience import Patience

__all__ = [
    "MAX_EXPANSION",
    "MAX_MEMBERS",
    "Patience",
    "download_archives",
    "fetch",
    "fetch_all",
    "fetch_sdist",
    "unpack",
]
