"""Plug-ins found by being there: one folder, one method or dataset.

Listing reads cards only, so a plug-in that cannot be imported is listed, and fails with its own traceback when used.
"""

import importlib
from pathlib import Path
from types import ModuleType

from voxelbench.cards import DatasetCard, MethodCard
from voxelbench.errors import ConfigError, nearest
from voxelbench.paths import plugin_folders
from voxelbench.validation import parse, read_yaml

CARD = "card.yaml"
CONFIG = "config.yaml"


def names(kind: str) -> list[str]:
    """Return the names of all plug-ins of `kind` ("methods" or "datasets"), sorted; not of folders in _ or ."""
    return sorted(card.parent.name for folder in plugin_folders(kind) for card in folder.glob(f"[!_.]*/{CARD}"))


def folder(kind: str, name: str) -> Path:
    """Return the folder of one plug-in. Raises ConfigError, naming the nearest, if there is none."""
    for parent in plugin_folders(kind):
        if (parent / name / CARD).is_file():
            return parent / name
    raise ConfigError(f"There is no folder {kind}/{name} with a {CARD}.{nearest(name, names(kind))}")


def sources(kind: str, name: str) -> list[Path]:
    """Return the files of a plug-in that its jobs depend on: editing one of them reruns that plug-in's jobs alone."""
    found = (path for pattern in ("*.py", "*.yaml", "*.csv") for path in folder(kind, name).glob(pattern))
    return sorted(path for path in found if not path.name.startswith("test_"))


def dataset_card(name: str) -> DatasetCard:
    """Read `datasets/<name>/card.yaml`."""
    path = folder("datasets", name) / CARD
    return parse(DatasetCard, read_yaml(path), str(path))


def method_card(name: str) -> MethodCard:
    """Read `methods/<name>/card.yaml`."""
    path = folder("methods", name) / CARD
    return parse(MethodCard, read_yaml(path), str(path))


def load_method(name: str) -> ModuleType:
    """Import `methods/<name>/method.py`, which defines Config, views and Method."""
    folder("methods", name)
    return importlib.import_module(f"voxelbench.methods.{name}.method")


def load_external(name: str) -> ModuleType:
    """Import `methods/<name>/external.py`, which defines Config and External."""
    folder("methods", name)
    return importlib.import_module(f"voxelbench.methods.{name}.external")


def load_dataset(name: str) -> ModuleType:
    """Import `datasets/<name>/dataset.py`, which defines prepare and, where they apply, download and phantom."""
    folder("datasets", name)
    return importlib.import_module(f"voxelbench.datasets.{name}.dataset")
