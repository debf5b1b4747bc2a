"""Every method folder, the template included, keeps the contract."""

import pytest

from voxelbench import registry
from voxelbench.checks import check_method


@pytest.mark.parametrize("name", [*registry.names("methods"), "_template"])
def test_contract(name):
    results = check_method(name)
    failed = [f"{result.name}: {result.message}" for result in results if not result.passed]
    assert not failed, "\n".join(failed)


def test_index_lists_every_method():
    (folder,) = {registry.folder("methods", name).parent for name in registry.names("methods")}
    cards = [registry.method_card(name) for name in registry.names("methods")]
    rows = [f"| [{card.name}]({card.name}/README.md) | {card.kind} | {card.family} | {card.title} |" for card in cards]
    assert rows == [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("| [")]
