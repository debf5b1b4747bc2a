"""What of the datasets and corpora is on this machine, in words, and what to do next."""

from pathlib import Path

from voxelbench import registry
from voxelbench.config import Config, read_config
from voxelbench.data.inventory import Count, Inventory, take_inventory
from voxelbench.data.source import how_to_get
from voxelbench.doctor.finding import Finding


def dataset(name: str, data_root: Path) -> Finding:
    """Return one line on a dataset."""
    return _finding(_inventory(name, data_root))


def summary(name: str, raw: Path) -> str:
    """Return one line on native data that were just brought to `raw`, and the next command."""
    inventory = take_inventory(registry.dataset_card(name), read_config().data_root, raw)
    return f"{name}: {_finding(inventory).text}; next: {_next(inventory)[0]}"


def dataset_in_full(name: str, data_root: Path) -> list[str]:
    """Return all that there is to say of a dataset, line by line."""
    inventory = _inventory(name, data_root)
    counts = [_count(count) for count in inventory.counts]
    wrong = [Finding(False, "wrong", problem) for problem in inventory.wrong]
    grids = [Finding(not problem, f"prepared, {grid}", problem or "all") for grid, problem in inventory.grids.items()]
    lines = [f"{name}: {inventory.card.title}", f"in  {inventory.raw}", *map(str, (*counts, *wrong, *grids))]
    first, *more = _next(inventory)
    return [*lines, f"next: {first}", *more]


def corpus(name: str, config: Config) -> Finding:
    """Return one line on a corpus."""
    return corpus_in_full(name, config)[0]


def corpus_in_full(name: str, config: Config) -> list[Finding]:
    """Return one line on a corpus, and one on each dataset in it."""
    members = [dataset(member.dataset, config.data_root) for member in config.corpora[name].members]
    lacking = [member.what for member in members if not member.is_good]
    text = f"{len(members) - len(lacking)} of {len(members)} datasets"
    text += f"; see {', '.join(lacking)}" if lacking else ""
    return [Finding(not lacking, f"corpus {name}", text), *members]


def _inventory(name: str, data_root: Path) -> Inventory:
    return take_inventory(registry.dataset_card(name), data_root)


def _count(count: Count) -> Finding:
    return Finding(not (count.is_short or count.is_exceeded), str(count), count.expected.pattern)


def _finding(inventory: Inventory) -> Finding:
    card, found = inventory.card, ", ".join(map(str, inventory.counts))
    if inventory.is_absent and card.access.kind == "open":
        return Finding(True, card.name, "open, fetched on demand")
    if inventory.is_absent:
        return Finding(False, card.name, f"nothing there; real data need {card.access.kind} ({card.access.home})")
    if inventory.wrong:
        more = f" (and {len(inventory.wrong) - 1} more)" if len(inventory.wrong) > 1 else ""
        return Finding(False, card.name, f"{inventory.wrong[0]}{more}")
    if inventory.missing:
        return Finding(False, card.name, f"incomplete, {', '.join(map(str, inventory.missing))}")
    problems = [f"grid {grid} {problem}" for grid, problem in inventory.grids.items() if problem]
    return Finding(not problems, card.name, problems[0] if problems else f"complete, {found}")


def _next(inventory: Inventory) -> list[str]:
    """Return what to do: one command, or steps."""
    card, raw = inventory.card, inventory.raw
    if inventory.is_complete:
        return _prepare(inventory)
    if inventory.tree.unreadable:
        return [f"chmod -R u+rX {raw}"]
    if card.access.kind == "open":
        return [f"voxelbench download {card.name} --raw {raw}"]
    if inventory.packed:
        return ["unpack the archives where they lie"]
    return how_to_get(card, raw).splitlines()


def _prepare(inventory: Inventory) -> list[str]:
    stale = [grid for grid, problem in inventory.grids.items() if problem]
    if inventory.grids and not stale:
        return ["nothing; all is there"]
    grid = stale[0] if stale else "native"
    command = f"voxelbench prepare {inventory.card.name} --raw {inventory.raw} --out {inventory.prepared(grid)}"
    return [command if grid == "native" else f"{command} --grid {grid.removesuffix('mm')}"]
