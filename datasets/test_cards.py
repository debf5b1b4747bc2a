"""What the cards say of the layout is what a twin has and what `prepare` reads; the index lists all of them."""

from pathlib import Path

import pytest

from voxelbench import registry
from voxelbench.cards import Twin

NAMES = registry.names("datasets")
TWINS = [name for name in NAMES if registry.dataset_card(name).twin is not None]


@pytest.mark.parametrize("name", TWINS)
def test_the_layout_is_what_a_twin_has_and_all_that_prepare_reads(tmp_path, prepare, name):
    card, raw = registry.dataset_card(name), tmp_path / "raw"
    n_cases = max(1, len(card.classes))
    one_a_class = Twin(train=n_cases, val=0, test=0, version=card.twin.version)
    registry.load_dataset(name).phantom(raw, card.model_copy(update={"twin": one_a_class}))
    found = [each.found(raw) for each in card.layout]
    assert all(found)
    expected = {path for each in found for path in each}
    for path in (path for path in raw.rglob("*") if path.is_file() and not expected & {path, *path.parents}):
        path.unlink()
    assert len(prepare(raw, card)) == n_cases


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_how_to_get_and_to_cite_the_data(name):
    card = registry.dataset_card(name)
    assert card.citation and card.access.tree and all(card.access.steps)
    assert len(card.layout) > 0


def test_a_layout_finds_nothing_where_nothing_is(tmp_path):
    for name in NAMES:
        for expected in registry.dataset_card(name).layout:
            assert expected.found(tmp_path / "nowhere") == []


def test_the_index_lists_every_dataset():
    cards = [registry.dataset_card(name) for name in NAMES]
    rows = [
        f"| [{card.name}]({card.name}/README.md) | {card.modality} | "
        f"{card.tasks[0].kind if card.tasks else 'none'} | {card.access.kind} | {card.title} |"
        for card in cards
    ]
    index = Path(__file__).with_name("README.md").read_text()
    assert rows == [line for line in index.splitlines() if line.startswith("| [")]
