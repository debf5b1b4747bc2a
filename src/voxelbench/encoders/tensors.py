"""Files of tensors from anywhere, read without executing anything that is in them."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from voxelbench.errors import TrainingError

_RESAVE = (
    'import sys, torch; content = torch.load(sys.argv[1], map_location="cpu", weights_only=False); '
    'torch.save(content.get("state_dict", content), sys.argv[2])'
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return every tensor of a file of `torch.save` or safetensors, on the CPU, by its dotted name.

    Nesting is part of the name, as in `state_dict.module.out.bias`; what is no tensor is left out.

    Raises:
        TrainingError: the file is missing or damaged, or is a pickle that would run code.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: no such file; name a checkpoint.")
    try:
        content = load_file(path) if _is_safetensors(path) else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged checkpoint can fail in any layer of the unpickler
        raise TrainingError(_problem(path, error)) from None
    return dict(_tensors(content, ()))


def _is_safetensors(path: Path) -> bool:
    """Tell by the content: eight bytes of length, then a JSON object."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _tensors(content: Any, names: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield ".".join(names), content
    elif isinstance(content, Mapping):
        for name, inner in content.items():
            yield from _tensors(inner, (*names, str(name)))


def _problem(path: Path, error: Exception) -> str:
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        remedy = shlex.join(("python", "-c", _RESAVE, str(path), f"{path}.tensors"))
        return (
            f"{path}: would run code when read (it calls {refused[1]}), so it was not read; "
            f"save its tensors alone, on a machine where you trust it, with `{remedy}`"
        )
    return (
        f"{path}: cannot be read as a checkpoint ({type(error).__name__}); it is damaged or another kind of file, "
        "so fetch it again."
    )
