"""Arrays that the released code of a method put out, to be matched."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Arrays = dict[str, np.ndarray]


@pytest.fixture
def golden() -> Callable[[str], Arrays]:
    """Load NAME.npz from $VOXELBENCH_GOLDEN, else from this folder."""
    folder = Path(os.environ.get("VOXELBENCH_GOLDEN") or Path(__file__).parent)

    def load(name: str) -> Arrays:
        with np.load(folder / f"{name}.npz") as arrays:
            return dict(arrays)

    return load
