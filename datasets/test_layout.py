"""What the cards say of the layout is what a twin has and what `prepare` reads."""

import pytest

from voxelbench import registry
from voxelbench.cards import Twin

NAMES = registry.names("datasets")
TWINS = [name for name in NAMES if registry.dataset_card(name).twin is not None]


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_has_all_that_the_layout_expects(tmp_path, name):
    card = registry.dataset_card(name)
    one_a_class = Twin(train=max(1, len(card.classes)), val=0, test=0, version=card.twin.version)
    registry.load_dataset(name).phantom(tmp_path, card.model_copy(update={"twin": one_a_class}))
    assert [expected.pattern for expected in card.layout if not expected.found(tmp_path)] == []


@pytest.mark.parametrize("name", TWINS)
def test_what_prepare_reads_is_in_the_layout(write_twin, prepare, name):
    raw, card = write_twin(name)
    expected = {path for each in card.layout for path in each.found(raw)}
    others = [path for path in raw.rglob("*") if path.is_file() and not expected & {path, *path.parents}]
    for path in others:
        path.unlink()
    assert len(prepare(raw, card)) == 6


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_how_to_get_and_to_cite_the_data(name):
    card = registry.dataset_card(name)
    assert card.citation and card.access.tree and all(card.access.steps)
    assert len(card.layout) > 0


def test_a_layout_finds_nothing_where_nothing_is(tmp_path):
    for name in NAMES:
        for expected in registry.dataset_card(name).layout:
            assert expected.found(tmp_path / "nowhere") == []
