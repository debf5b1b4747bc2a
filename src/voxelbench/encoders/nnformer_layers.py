"""Layers of nnFormer on maps of tokens, (B, X, Y, Z, C); convolutions see them as (B, C, X, Y, Z).

Names of tensors are those of Alice's released code, so that its checkpoints travel by name.
"""

from collections.abc import Sequence

from monai.networks.layers import DropPath
from torch import Tensor, nn
from torch.nn import functional

from voxelbench.encoders.nnformer_windows import CrossWindowAttention, WindowAttention


def convolve(convolution: nn.Module, tokens: Tensor) -> Tensor:
    """Apply a convolution to (B, X, Y, Z, C)."""
    return convolution(tokens.movedim(-1, 1)).movedim(1, -1)


class Projection(nn.Module):
    """Two convolutions with GELU and layer normalisation between them and, unless it `is_last`, after them."""

    def __init__(self, in_channels: int, dim: int, stride: int, *, is_last: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(in_channels, dim, 3, stride, padding=1)
        self.conv2 = nn.Conv3d(dim, dim, 3, padding=1)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = None if is_last else nn.LayerNorm(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, X, Y, Z, in_channels) to (B, X / stride, ..., dim)."""
        tokens = self.norm1(functional.gelu(convolve(self.conv1, tokens)))
        tokens = convolve(self.conv2, tokens)
        return tokens if self.norm2 is None else self.norm2(functional.gelu(tokens))


class PatchEmbedding(nn.Module):
    """Four convolutions that make one token of each 2 x 2 x 2 voxels."""

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.proj1 = Projection(in_channels, dim // 2, 2, is_last=False)
        self.proj2 = Projection(dim // 2, dim, 1, is_last=True)
        self.norm = nn.LayerNorm(dim)

    def forward(self, volume: Tensor) -> Tensor:
        """Map (B, C, X, Y, Z) to (B, X / 2, Y / 2, Z / 2, dim)."""
        return self.norm(self.proj2(self.proj1(volume.movedim(1, -1))))


class Mlp(nn.Module):
    """A hidden layer four times as wide."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (..., C) to its like."""
        return self.fc2(functional.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """x + attention(norm1(x)), then x + MLP(norm2(x))."""

    def __init__(self, dim: int, heads: int, window: int, *, is_shifted: bool, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window, is_shifted=is_shifted)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, X, Y, Z, C) to its like."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


class CrossBlock(nn.Module):
    """map + skip + attention(norm1(map), norm1(skip)), then x + MLP(norm2(x)): the map looks at the skip."""

    def __init__(self, dim: int, heads: int, window: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = CrossWindowAttention(dim, heads, window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, skip: Tensor) -> Tensor:
        """Map two of (B, X, Y, Z, C) to one."""
        tokens = tokens + skip + self.drop_path(self.attn(self.norm1(tokens), self.norm1(skip)))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


class Downsampling(nn.Module):
    """GELU, layer normalisation, and a convolution that halves each axis and doubles the channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Conv3d(dim, 2 * dim, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, X, Y, Z, C) to (B, X / 2, Y / 2, Z / 2, 2 C)."""
        return convolve(self.reduction, self.norm(functional.gelu(tokens)))


class Upsampling(nn.Module):
    """Layer normalisation, and a transposed convolution that doubles each axis and halves the channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up = nn.ConvTranspose3d(dim, dim // 2, 2, stride=2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, X, Y, Z, C) to (B, 2 X, 2 Y, 2 Z, C / 2)."""
        return convolve(self.up, self.norm(tokens))


class Stage(nn.Module):
    """Blocks at one resolution, every second one shifted; `drop_path` holds the rate of each."""

    def __init__(self, dim: int, heads: int, window: int, drop_path: Sequence[float], *, is_last: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                Block(dim, heads, window, is_shifted=index % 2 == 1, drop_path=rate)
                for index, rate in enumerate(drop_path)
            )
        )
        self.downsample = nn.Identity() if is_last else Downsampling(dim)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, X, Y, Z, C) to its like, and to what the next stage starts from."""
        tokens = self.blocks(tokens)
        return tokens, self.downsample(tokens)


class UpStage(nn.Module):
    """A way up by one resolution: twice as fine, merged with the skip by attention, and a shifted block.

    Each block has its rate of dropped paths.
    """

    def __init__(self, dim: int, heads: int, window: int, merge_drop: float, refine_drop: float) -> None:
        super().__init__()
        merge = CrossBlock(dim, heads, window, merge_drop)
        refine = Block(dim, heads, window, is_shifted=True, drop_path=refine_drop)
        self.blocks = nn.ModuleList([merge, refine])
        self.Upsample = Upsampling(2 * dim)

    def forward(self, tokens: Tensor, skip: Tensor) -> Tensor:
        """Map (B, X / 2, Y / 2, Z / 2, 2 C) and the skip (B, X, Y, Z, C) to (B, X, Y, Z, C)."""
        merge, refine = self.blocks
        return refine(merge(self.Upsample(tokens), skip))
