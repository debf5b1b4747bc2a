"""Where native data come from: a download, a user's own copy of a gated dataset, or a synthetic twin."""

import shutil
from pathlib import Path

from voxelbench import registry
from voxelbench.atomic import write_text
from voxelbench.cards import DatasetCard
from voxelbench.data.download.dataset import ARCHIVES
from voxelbench.data.download.partial import SUFFIX
from voxelbench.errors import AccessRequired, ConfigError, DataError

MARK = "SOURCE.txt"
"""Written last into a native folder: says where the data came from. Where it exists, the folder is complete."""


def download_dataset(dataset: str, raw: Path) -> None:
    """Fetch an open dataset; take a gated one as the user put it there.

    Raises AccessRequired with the steps to take if nothing of a gated dataset is there yet.
    """
    card = registry.dataset_card(dataset)
    if card.access.kind == "open":
        registry.load_dataset(dataset).download(raw, card)
    elif not any(expected.found(raw) for expected in card.layout):
        raise AccessRequired(how_to_get(card, raw))
    write_text(raw / MARK, f"{card.title}\n{card.access.home}\n{card.licence}\n")


def refuse_unfinished(raw: Path) -> None:
    """Raise DataError if a download, or the unpacking of an archive, has not come to its end in `raw`."""
    for folder in (raw, raw / ARCHIVES):
        for stopped in sorted(folder.glob(f"*{SUFFIX}")):
            raise DataError(f"{stopped}: did not come to its end; run the download again, or remove it.")


def how_to_get(card: DatasetCard, raw: Path) -> str:
    """Return the numbered steps to a gated dataset, and the tree that `raw` then holds."""
    steps = (f"  {number}. {step}" for number, step in enumerate(card.access.steps, start=1))
    tree = (f"  {line}" for line in card.access.tree.splitlines())
    first = f"{card.name} needs {card.access.kind} ({card.access.home}):"
    last = f"Then `voxelbench doctor {card.name}` says what is still missing."
    return "\n".join((first, *steps, f"Expected under {raw}:", *tree, last))


def write_twin(dataset: str, out: Path) -> None:
    """Write the synthetic twin of a dataset, whole or not at all; an older twin in `out` is replaced."""
    card = registry.dataset_card(dataset)
    if card.twin is None:
        raise ConfigError(f"{dataset} has no synthetic twin; it is always real data.")
    partial = out.with_name(out.name + ".partial")
    for folder in (partial, out):
        shutil.rmtree(folder, ignore_errors=True)
    partial.mkdir(parents=True)
    registry.load_dataset(dataset).phantom(partial, card)
    write_text(partial / MARK, f"PHANTOM: synthetic twin of {card.title}, version {card.twin.version}\n")
    partial.replace(out)
