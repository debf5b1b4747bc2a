"""The loss terms of GVSL, one function each, on volumes (B, C, D, H, W). No term is weighted.

Windows and differences are those of the released code (utils/losses.py): zeros lie outside, edges count.
"""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from .separable import box_matrix, filter_axes

NCC_WINDOW = 9  # voxels; source: released loss
_NCC_EPSILON = 1e-5  # source: released loss


class Moments(NamedTuple):
    """Sums over windows: of squared deviations of either image from its mean, and of their products."""

    first: Tensor
    second: Tensor
    cross: Tensor


def local_moments(first: Tensor, second: Tensor, window: int) -> Moments:
    """Return ΣI² - (ΣI)²/n, ΣJ² - (ΣJ)²/n and ΣIJ - ΣI ΣJ/n over the n = window³ voxels around each voxel."""
    boxes = [box_matrix(length, window, first) for length in first.shape[2:]]
    n = window**3

    def centred(a: Tensor, b: Tensor, sum_a: Tensor, sum_b: Tensor) -> Tensor:
        return filter_axes(a * b, boxes) - sum_a * sum_b / n

    sums = filter_axes(first, boxes), filter_axes(second, boxes)
    return Moments(
        centred(first, first, sums[0], sums[0]),
        centred(second, second, sums[1], sums[1]),
        centred(first, second, *sums),
    )


def correlation(moments: Moments) -> Tensor:
    """Return the squared local correlation, cross² / (var_I var_J + 1e-5), of each window; about 0 where one is flat.

    Rounding can leave a flat window a variance below 0, which would turn the quotient's sign: it counts as 0.
    """
    return moments.cross.square() / (moments.first.clamp(min=0) * moments.second.clamp(min=0) + _NCC_EPSILON)


def ncc(warped: Tensor, fixed: Tensor, window: int = NCC_WINDOW) -> Tensor:
    """Return 1 minus the mean over voxels of the squared local correlation (Avants et al. 2008).

    Raises:
        ValueError: the volumes differ in shape.
    """
    _check_shapes("ncc", warped, fixed)
    return 1 - correlation(local_moments(warped, fixed, window)).mean()


def smoothness(flow: Tensor) -> Tensor:
    """Return the mean over axes a of mean((Δ_a u)²), with Δ the forward difference of a flow u (B, 3, D, H, W).

    Raises:
        ValueError: an axis has a single voxel, and so no difference.
    """
    if min(flow.shape[2:]) < 2:
        raise ValueError(
            f"smoothness needs two voxels along each axis, the flow is {tuple(flow.shape)}; use longer crops"
        )
    return sum((flow.diff(dim=axis).square().mean() for axis in (2, 3, 4)), flow.new_zeros(())) / 3


def restoration(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean squared error over all voxels, damaged or not.

    Raises:
        ValueError: the volumes differ in shape.
    """
    _check_shapes("restoration", restored, clean)
    return functional.mse_loss(restored, clean)


def _check_shapes(term: str, ours: Tensor, theirs: Tensor) -> None:
    if ours.shape != theirs.shape:
        raise ValueError(
            f"{term} compares volumes of {tuple(ours.shape)} and {tuple(theirs.shape)}; cut both to one shape first"
        )
