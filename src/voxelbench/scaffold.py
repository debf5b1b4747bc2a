"""`voxelbench new`: a plug-in from its template."""

import re
import shutil

from voxelbench import registry
from voxelbench.errors import ConfigError
from voxelbench.paths import plugin_folders

_TEMPLATE = "_template"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def new_plugin(kind: str, name: str) -> str:
    """Copy the template of `kind` ("methods" or "datasets") to a new folder and return what to do next.

    Raises ConfigError for a name that is taken or that Python could not import.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"'{name}' cannot name a plug-in; use lower-case letters, digits and _, beginning with a letter."
        )
    if name in registry.names(kind):
        raise ConfigError(f"{kind}/{name} exists; choose another name, or edit it.")
    templates = [folder / _TEMPLATE for folder in plugin_folders(kind) if (folder / _TEMPLATE).is_dir()]
    if not templates:
        raise ConfigError(f"There is no {kind}/{_TEMPLATE} to copy; run this inside a checkout.")
    target = templates[0].parent / name
    shutil.copytree(templates[0], target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*target.iterdir()]:
        path.write_text(path.read_text(encoding="utf-8").replace(_TEMPLATE, name), encoding="utf-8")
        path.rename(path.with_name(path.name.replace(_TEMPLATE, f"_{name}")))
    check = f"voxelbench check {name}" if kind == "methods" else f"voxelbench phantom {name} --out data/phantom/{name}"
    return f"wrote {target}; edit it, then run `{check}`."
