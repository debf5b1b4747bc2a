"""Addresses as they may be shown: what a URL can hold beside the place, such as a token, stays out of every message."""

from urllib.parse import urlsplit

from voxelbench.errors import ConfigError


def shown(url: str) -> str:
    """Return a URL without user, password, query and fragment. Raises ConfigError if it is none."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"The address of a file cannot be read ({error}); mend card.yaml.") from None
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
