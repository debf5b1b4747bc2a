"""A pretraining run's own part: what it draws is checked before a network sees it."""

from types import SimpleNamespace

import numpy as np
import pytest

from voxelbench.errors import DataError
from voxelbench.pretrain.run import Draw

CASES = (SimpleNamespace(case_id="a"), SimpleNamespace(case_id="b"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_view_that_is_not_finite_is_refused_with_its_cases(bad):
    draw = Draw(lambda cases, config, rng: {"fine": np.ones(2), "volume": np.array([1.0, bad])}, None)
    with pytest.raises(DataError, match="case a, b: view 'volume' holds NaN or infinite values"):
        draw(CASES, np.random.RandomState(0))


def test_finite_views_pass_as_they_are():
    views = {"mask": np.array([True]), "volume": np.ones(2)}
    assert Draw(lambda cases, config, rng: views, None)(CASES, np.random.RandomState(0)) is views
