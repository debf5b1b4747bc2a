"""Every array of the released code that lies here stands in the certificate of its method."""

from pathlib import Path

import pytest


@pytest.mark.parametrize("array", sorted(path.stem for path in Path(__file__).parent.glob("*.npz")))
def test_array_is_certified(array, certificate):
    assert f"| `{array}` |" in certificate(array), "write it by `pytest tests/golden --certificates` in one process"
