"""`voxelbench doctor`: what this machine has, what is missing for what, and what to do next."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from voxelbench import registry
from voxelbench.config import read_config
from voxelbench.doctor import data, machine
from voxelbench.doctor.finding import Finding
from voxelbench.errors import ConfigError, VoxelbenchError, nearest


def examine(names: Sequence[str] = ()) -> int:
    """Print one line a finding, or all about the datasets and corpora that are named; return the exit status.

    It is 1 if the demo could not run; of named ones, if something of them is missing or wrong.
    """
    if names:
        good = [_tell(name) for name in names]
        return int(not all(good))
    needed = machine.needed()
    _print([*needed, *machine.useful(), *_data()])
    return int(not all(finding.is_good for finding in needed))


def _data() -> list[Finding]:
    try:
        config = read_config()
    except VoxelbenchError:
        return []
    datasets = [data.dataset(name, config.data_root) for name in registry.names("datasets")]
    return [*datasets, *(data.corpus(name, config) for name in config.corpora)]


def _tell(name: str) -> bool:
    """Print all about a dataset or a corpus; return whether nothing is missing or wrong.

    What is called `name` as both is told as a dataset: such a corpus holds it alone.
    """
    config, datasets = read_config(), registry.names("datasets")
    if name in datasets:
        print("\n".join(data.dataset_in_full(name, config.data_root)))
        return data.dataset(name, config.data_root).is_good
    if name not in config.corpora:
        raise ConfigError(f"There is no dataset or corpus '{name}'.{nearest(name, [*datasets, *config.corpora])}")
    findings = data.corpus_in_full(name, config)
    _print(findings)
    return findings[0].is_good


def _print(findings: Iterable[Finding]) -> None:
    """Print a table on a terminal, else one plain line a finding."""
    console = Console()
    if not console.is_terminal:
        for finding in findings:
            print(finding)
        return
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        table.add_row(Text(finding.mark, "green" if finding.is_good else "red"), finding.what, Text(finding.text))
    console.print(table)
