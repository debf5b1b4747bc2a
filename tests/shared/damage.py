"""Ways in which files come to harm: cut off, bits flipped, bytes lost or added, and words that nobody expects."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_HEADER = 512
_HOSTILE_WORDS = (
    *("", "nan", "inf", "-inf", "-1", "0", "1e999", "9" * 30, "0x10", "1.5", "NaN;NaN;NaN", "=", ";" * 9, "\0"),
    *("../../outside", "/etc/hostname", "a" * 300, "é\u202e", '"', "\r", "train", "x" * 200_000),
)
_HOSTILE_NODES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    [],
    {},
    [[]],
    "",
    "\0",
    "..",
    "/",
    "a" * 5000,
    {"image": None},
    "./dataset.json",
    "./imagesTr/liver_1.nii.gz",
    "./labelsTr/liver_1.nii.gz",
)
_DEEP = 100_000


def damaged_bytes(content: bytes, rng: np.random.RandomState) -> bytes:
    """Return content that was cut, flipped, overwritten, shortened or lengthened; half the time in the first bytes."""
    harm = (_cut, _flip_bit, _flip_bits, _overwrite, _remove, _insert)[rng.randint(6)]
    place = rng.randint(min(len(content), _HEADER) if rng.randint(2) else len(content))
    return harm(content, place, rng)


def _cut(content: bytes, place: int, rng: np.random.RandomState) -> bytes:
    return content[:place]


def _flip_bit(content: bytes, place: int, rng: np.random.RandomState) -> bytes:
    flipped = bytearray(content)
    flipped[place] ^= 1 << rng.randint(8)
    return bytes(flipped)


def _flip_bits(content: bytes, place: int, rng: np.random.RandomState) -> bytes:
    for _ in range(rng.randint(2, 9)):
        content = _flip_bit(content, rng.randint(len(content)), rng)
    return content


def _overwrite(content: bytes, place: int, rng: np.random.RandomState) -> bytes:
    n_bytes = rng.randint(1, 9)
    fill = (b"\0" * n_bytes, b"\xff" * n_bytes, b"\x7f" * n_bytes, rng.bytes(n_bytes))[rng.randint(4)]
    return content[:place] + fill + content[place + n_bytes :]


def _remove(content: bytes, place: int, rng: np.random.RandomState) -> bytes:
    return content[:place] + content[place + rng.randint(1, 65) :]


def _insert(content: bytes, place: int, rng: np.random.RandomState) -> bytes:
    n_bytes = rng.randint(1, 65)
    extra = rng.bytes(n_bytes) if rng.randint(2) else content[place : place + n_bytes]
    return content[:place] + extra + content[place:]


@dataclass(frozen=True)
class Kind:
    """How to write a sound file, `name`, into a folder, how it comes to harm, how it is read, and what must then hold.

    `holds` is given what was read, the damaged file, and whether that is a mere beginning of the sound one.
    """

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], Any]
    holds: Callable[[Any, Path, bool], None]
    damaged: Callable[[bytes, np.random.RandomState], bytes] = damaged_bytes


def damaged_table(content: bytes, rng: np.random.RandomState) -> bytes:
    """Return a table (CSV) with a hostile word in place of one of its own, a line lost or doubled, or damaged bytes."""
    choice = rng.randint(4)
    if choice == 0:
        return damaged_bytes(content, rng)
    if choice == 1:
        lines = content.splitlines(keepends=True)
        place = rng.randint(len(lines))
        return b"".join(lines[:place] + lines[place : place + 1] * (2 * rng.randint(2)) + lines[place + 1 :])
    words = list(re.finditer(rb"[^,;\n]+", content))
    word = words[rng.randint(len(words))]
    hostile = _HOSTILE_WORDS[rng.randint(len(_HOSTILE_WORDS))].encode()
    return content[: word.start()] + hostile + content[word.end() :]


def damaged_json(content: bytes, rng: np.random.RandomState) -> bytes:
    """Return JSON with one node exchanged for another type or value, nested too deeply, or damaged bytes."""
    if rng.randint(3) == 0:
        return damaged_bytes(content, rng)
    if rng.randint(20) == 0:
        return b"[" * _DEEP
    tree = json.loads(content)
    exchange = _exchanges(tree)
    exchange[rng.randint(len(exchange))](_HOSTILE_NODES[rng.randint(len(_HOSTILE_NODES))])
    return json.dumps(tree).encode()


def damaged_json_lines(content: bytes, rng: np.random.RandomState) -> bytes:
    """Return JSON lines of which one is damaged."""
    lines = content.splitlines(keepends=True)
    place = rng.randint(len(lines))
    return b"".join([*lines[:place], damaged_json(lines[place], rng), b"\n" * rng.randint(2), *lines[place + 1 :]])


def _exchanges(node: Any) -> list[Callable[[Any], None]]:
    """Return, for every node below this one, a function that puts something else in its place."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    own = [lambda value, key=key: node.__setitem__(key, value) for key in keys]
    return own + [exchange for key in keys for exchange in _exchanges(node[key])]
