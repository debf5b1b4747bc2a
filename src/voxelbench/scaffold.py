"""`voxelbench new`: a plug-in from its template."""

import re
import shutil
from pathlib import Path

from voxelbench import registry
from voxelbench.errors import ConfigError
from voxelbench.paths import plugin_folders

TEMPLATE = "_template"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_README = "README.md"
_ROW = "| ["


def new_plugin(kind: str, name: str) -> str:
    """Copy the template of `kind` ("methods" or "datasets") to a new folder, list it, and return what to do next.

    Raises ConfigError for a name that is taken or that Python could not import.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"'{name}' cannot name a plug-in; use lower-case letters, digits and _, a letter first.")
    if name in registry.names(kind):
        raise ConfigError(f"{kind}/{name} exists; choose another name, or edit it.")
    templates = [folder / TEMPLATE for folder in plugin_folders(kind) if (folder / TEMPLATE).is_dir()]
    if not templates:
        raise ConfigError(f"There is no {kind}/{TEMPLATE} to copy; run this inside a checkout.")
    target = templates[0].parent / name
    shutil.copytree(templates[0], target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*target.iterdir()]:
        _rename(path, name)
    if kind == "methods":
        _add_to_index(target.parent / _README, name)
    check = f"voxelbench check {name}" if kind == "methods" else f"voxelbench phantom {name} --out data/phantom/{name}"
    return f"wrote {target}; edit it, then run `{check}`."


def _rename(path: Path, name: str) -> None:
    """Write `name` for that of the template, in the file, in its name, and as the title of the README."""
    text = path.read_text(encoding="utf-8").replace(TEMPLATE, name)
    if path.name == _README:
        text = re.sub(r"^# .*", f"# {name}", text, count=1)
    path.write_text(text, encoding="utf-8")
    path.rename(path.with_name(path.name.replace(TEMPLATE, f"_{name}")))


def _add_to_index(readme: Path, name: str) -> None:
    """Add a method to the table at the end of `methods/README.md`, which is sorted by name."""
    card = registry.method_card(name)
    lines = readme.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith(_ROW)]
    rows.append(f"{_ROW}{name}]({name}/{_README}) | {card.kind} | {card.family} | {card.title} |")
    head = [line for line in lines if not line.startswith(_ROW)]
    readme.write_text("\n".join([*head, *sorted(rows)]) + "\n", encoding="utf-8")
