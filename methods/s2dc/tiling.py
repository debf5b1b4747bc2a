"""Where crops lie in a volume and tokens lie in its plane, axes X, Y, Z."""

from einops import rearrange
from torch import Tensor


def tile(volumes: Tensor, crop_grid: tuple[int, int]) -> Tensor:
    """Cut (B, C, X, Y, Z) into its crops (B * P, C, x, y, Z), P row-major."""
    columns, rows = crop_grid
    return rearrange(volumes, "b c (p x) (q y) z -> (b p q) c x y z", p=columns, q=rows)


def plane_tokens(features: Tensor, crop_grid: tuple[int, int]) -> Tensor:
    """Lay the tokens of all crops (B * P, C, x, y, z) out in their plane: (N, B * z, C), N row-major."""
    columns, rows = crop_grid
    return rearrange(features, "(b p q) c x y z -> (p x q y) (b z) c", p=columns, q=rows)
