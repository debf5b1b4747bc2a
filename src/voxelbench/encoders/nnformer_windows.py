"""Attention inside cubic windows of a grid of tokens, as in Swin Transformer, with a bias for each relative position.

Names of tensors are those of Alice's released code, so that its checkpoints travel by name.
"""

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

_FAR = -100.0  # what a token adds to the score of one that only the cyclic shift brought near


class Windows(NamedTuple):
    """A grid of tokens (X, Y, Z) in cubes of `size` tokens, cut after a cyclic shift by `shift` towards the origin."""

    grid: tuple[int, int, int]
    size: int
    shift: int

    @classmethod
    def of(cls, x: Tensor, size: int, *, is_shifted: bool) -> "Windows":
        """Cut (B, X, Y, Z, C); a grid narrower than `size` has smaller windows, and one window has nothing to shift."""
        narrowest = min(x.shape[1:4])
        grid = (x.shape[1], x.shape[2], x.shape[3])
        return cls(grid, min(size, narrowest), size // 2 if is_shifted and narrowest > size else 0)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of windows along each axis; the last may reach over the border."""
        return tuple(-(-length // self.size) for length in self.grid)

    def split(self, x: Tensor) -> Tensor:
        """Map (B, X, Y, Z, C) to (B, windows, tokens of a window, C); zeros fill what lies over the border."""
        beyond = [count * self.size - length for count, length in zip(self.counts, self.grid, strict=True)]
        if any(beyond):
            x = functional.pad(x, (0, 0, 0, beyond[2], 0, beyond[1], 0, beyond[0]))
        if self.shift:
            x = x.roll((-self.shift,) * 3, (1, 2, 3))
        side = self.size
        return rearrange(x, "b (nx x) (ny y) (nz z) c -> b (nx ny nz) (x y z) c", x=side, y=side, z=side)

    def join(self, windows: Tensor) -> Tensor:
        """Undo `split`."""
        (nx, ny, nz), side = self.counts, self.size
        pattern = "b (nx ny nz) (x y z) c -> b (nx x) (ny y) (nz z) c"
        x = rearrange(windows, pattern, nx=nx, ny=ny, nz=nz, x=side, y=side, z=side)
        if self.shift:
            x = x.roll((self.shift,) * 3, (1, 2, 3))
        return x[:, : self.grid[0], : self.grid[1], : self.grid[2]]

    def mask(self, device: torch.device) -> Tensor | None:
        """Return (windows, tokens, tokens): -100 between tokens from opposite borders, else 0; None without a shift."""
        if not self.shift:
            return None
        lengths = [count * self.size for count in self.counts]
        x, y, z = (torch.arange(length, device=device) >= length - self.shift for length in lengths)
        origins = (4 * x[:, None, None] + 2 * y[:, None] + z)[None, ..., None]
        own = Windows((lengths[0], lengths[1], lengths[2]), self.size, 0).split(origins)[0, :, :, 0]
        return (own[:, :, None] != own[:, None, :]) * _FAR


def relative_position_index(size: int) -> Tensor:
    """Return (size^3, size^3): the row of the table of biases for a pair of tokens.

    With offsets counted from 0, row = (3 size - 1) dx + (2 size - 1) dy + dz. A table of (2 size - 1)^3 rows would take
    (2 size - 1)^2 for the first factor; the released code does not, so that some offsets share a row.
    """
    axis = torch.arange(size)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    place = ((3 * size - 1) * x + (2 * size - 1) * y + z).flatten()
    return place[:, None] - place[None, :] + place[-1]


class _Attention(nn.Module):
    """Multi-head attention inside windows of at most `size` tokens a side, shifted by half of it or not."""

    relative_position_index: Tensor

    def __init__(self, dim: int, heads: int, size: int, *, is_shifted: bool) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        self.is_shifted = is_shifted
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * size - 1) ** 3, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_position_index(size))
        self.proj = nn.Linear(dim, dim)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, windows: Windows) -> Tensor:
        """Map three of (B, windows, tokens, C) to (B, X, Y, Z, C)."""
        q, k, v = (each.unflatten(-1, (self.heads, -1)).transpose(2, 3) for each in (q, k, v))
        bias, mask = self.bias(windows.size), windows.mask(q.device)
        if mask is not None:
            bias = bias + mask[:, None]
        mixed = functional.scaled_dot_product_attention(q, k, v, bias)
        return windows.join(self.proj(mixed.transpose(2, 3).flatten(-2)))

    def bias(self, size: int) -> Tensor:
        """Return (heads, size^3, size^3), the bias of each pair of tokens in a window no larger than the built one."""
        pairs = self.relative_position_index.unflatten(1, (self.size,) * 3).unflatten(0, (self.size,) * 3)
        pairs = pairs[:size, :size, :size, :size, :size, :size].reshape(size**3, size**3)
        return self.relative_position_bias_table[pairs].permute(2, 0, 1)


class WindowAttention(_Attention):
    """Attention of each window's tokens among themselves."""

    def __init__(self, dim: int, heads: int, size: int, *, is_shifted: bool) -> None:
        super().__init__(dim, heads, size, is_shifted=is_shifted)
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, X, Y, Z, C) to its like."""
        windows = Windows.of(x, self.size, is_shifted=self.is_shifted)
        q, k, v = self.qkv(windows.split(x)).chunk(3, -1)
        return self.attend(q, k, v, windows)


class CrossWindowAttention(_Attention):
    """Attention of each window's tokens to those of another map in the same window; the queries are not projected."""

    def __init__(self, dim: int, heads: int, size: int) -> None:
        super().__init__(dim, heads, size, is_shifted=False)
        self.kv = nn.Linear(dim, 2 * dim)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Map two of (B, X, Y, Z, C), queries and what they look at, to their like."""
        windows = Windows.of(x, self.size, is_shifted=False)
        k, v = self.kv(windows.split(other)).chunk(2, -1)
        return self.attend(windows.split(x), k, v, windows)
