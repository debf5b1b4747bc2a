"""Every array of the released code that lies here stands in the certificate of its method."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
METHODS = HERE.parents[1] / "methods"
ARRAYS = sorted(path.stem for path in HERE.glob("*.npz"))


@pytest.mark.parametrize("array", ARRAYS)
def test_array_is_certified(array):
    method = "voco" if array == "swin_merging" else array.split("_")[0]
    readme = (METHODS / method / "README.md").read_text(encoding="utf-8")
    certificate = readme.partition("<!-- certificate")[2].partition("<!-- end of certificate -->")[0]
    assert f"| `{array}` |" in certificate, "write it by `pytest tests/golden --certificates` in one process"
