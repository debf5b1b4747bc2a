"""Arrays that the released code of a method put out, to be matched; and the record of how well they are.

`pytest tests/golden --certificates` writes that record into the README of each method.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

Arrays = dict[str, np.ndarray]

CHECKOUT = Path(__file__).parents[2]
MARKS = re.compile(r"(<!-- certificate: .*? -->\n).*?(<!-- end of certificate -->)", re.DOTALL)


class Claim(NamedTuple):
    """What was compared with an array, and how far the two may differ."""

    array: str
    formula: str
    tolerance: float


ERRORS: dict[str, dict[Claim, float]] = defaultdict(dict)
"""Largest error of each claim of this session, by method."""


@pytest.fixture
def golden() -> Callable[[str], Arrays]:
    """Load NAME.npz from $VOXELBENCH_GOLDEN, else from this folder."""
    folder = Path(os.environ.get("VOXELBENCH_GOLDEN") or Path(__file__).parent)

    def load(name: str) -> Arrays:
        with np.load(folder / f"{name}.npz") as arrays:
            return dict(arrays)

    return load


@pytest.fixture
def certify() -> Callable[..., None]:
    """Assert that `ours` equals what `array`.npz holds, and note the largest error for the certificate.

    To `atol`, or to `scaled` times the largest value there, if that is above 1.
    """

    def compare(
        array: str, formula: str, ours: object, theirs: object, *, atol: float = 0.0, scaled: float = 0.0
    ) -> None:
        ours, theirs = _numbers(ours), _numbers(theirs)
        atol = scaled * max(1.0, float(np.abs(theirs).max())) if scaled else atol
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol, err_msg=f"{array}: {formula}")
        error = float(np.abs(ours - theirs).max()) if ours.size else 0.0
        errors = ERRORS[_method(array)]
        claim = Claim(array, formula, atol)
        errors[claim] = max(errors.get(claim, 0.0), error)

    return compare


@pytest.fixture
def fill_by_name() -> Callable[[dict[str, torch.Tensor]], None]:
    """Give each weight sin(0.37 n + k) of its number n, scaled; k counts the released names in order."""

    @torch.no_grad()
    def fill(named: dict[str, torch.Tensor]) -> None:
        for k, (name, weight) in enumerate(sorted(named.items())):
            wave = np.sin(0.37 * np.arange(weight.numel()) + k).reshape(weight.shape)
            if weight.dim() > 1:
                values = wave * np.sqrt(2 / weight[0].numel())
            else:
                values = 1 + 0.05 * wave if name.endswith("weight") else 0.02 * wave
            weight.copy_(torch.from_numpy(values))

    return fill


@pytest.fixture
def fill_by_position() -> Callable[..., None]:
    """Give tensor i, in the order of the mapping, sin(0.1 k + i) of its flat index k, scaled.

    `wave(i, size)` replaces the sine. Integer tensors keep what they hold and count; gains of weight norm are 1.
    """

    @torch.no_grad()
    def fill(named: dict[str, torch.Tensor], wave: Callable[[int, int], np.ndarray] = _sine) -> None:
        for i, (name, tensor) in enumerate(named.items()):
            if not tensor.is_floating_point():
                continue
            values = wave(i, tensor.numel()).reshape(tensor.shape)
            if name.endswith("weight_g"):
                values = np.ones(tensor.shape)
            elif tensor.dim() > 1:
                values = values / np.sqrt(tensor[0].numel())
            else:
                values = 1 + 0.1 * values if name.endswith("weight") else 0.1 * values
            tensor.copy_(torch.from_numpy(values))

    return fill


def _sine(i: int, size: int) -> np.ndarray:
    return np.sin(0.1 * np.arange(size) + i)


@pytest.fixture
def chirp() -> Callable[[tuple[int, ...]], torch.Tensor]:
    """Return a float32 tensor of a shape whose voxel n, row-major, is 0.5 + 0.5 sin(0.013 n + 0.00017 n^1.5)."""

    def make(shape: tuple[int, ...]) -> torch.Tensor:
        n = np.arange(np.prod(shape), dtype=np.float64)
        values = 0.5 + 0.5 * np.sin(0.013 * n + 0.00017 * n**1.5)
        return torch.from_numpy(values.reshape(shape).astype(np.float32))

    return make


@pytest.fixture
def certificate() -> Callable[[str], str]:
    """Return the certificate that an array belongs to, as it stands in the README of its method."""

    def read(array: str) -> str:
        found = MARKS.search(_readme(_method(array)).read_text(encoding="utf-8"))
        assert found
        return found[0]

    return read


def _method(array: str) -> str:
    return "voco" if array == "swin_merging" else array.split("_")[0]


def _readme(method: str) -> Path:
    return CHECKOUT / "methods" / method / "README.md"


def _numbers(values: object) -> np.ndarray:
    detached = values.detach() if hasattr(values, "detach") else values
    return np.asarray(detached, dtype=np.float64)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--certificates", action="store_true", help="write what was matched into methods/*/README.md")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the certificates of a session that passed; with several processes no one of them saw all errors."""
    if not session.config.getoption("--certificates"):
        return
    if exitstatus or session.config.getoption("numprocesses", None):
        raise pytest.UsageError("certificates are written by a session that passes, in one process")
    for method, errors in ERRORS.items():
        readme = _readme(method)
        text, count = MARKS.subn(lambda marks: marks[1] + _table(errors) + marks[2], readme.read_text("utf-8"))  # noqa: B023
        if count != 1:
            raise pytest.UsageError(f"{readme} has {count} places for a certificate, expected one")
        readme.write_text(text, encoding="utf-8")


def _table(errors: dict[Claim, float]) -> str:
    rows = [
        f"| `{claim.array}` | {claim.formula} | {_rounded_up(error)} | {claim.tolerance or 0:.0g} |\n"
        for claim, error in sorted(errors.items())
    ]
    return "| array | formula | largest error | tolerance |\n|---|---|---|---|\n" + "".join(rows)


def _rounded_up(error: float) -> str:
    """One digit is all that another machine will reproduce."""
    if error == 0:
        return "0"
    unit = 10.0 ** np.floor(np.log10(error))
    return f"{np.ceil(error / unit) * unit:.0e}"
