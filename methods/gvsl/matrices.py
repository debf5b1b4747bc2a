"""Affine matrices of GVSL, M = [H S R_z R_y R_x | t]: shears, scales, rotations about three axes, and a translation.

A matrix maps a place of the output to the place of the input that it shows. Its three rows are called x, y, z in the
released code (utils/STN.py, utils/Transform_self.py); which array axes they act on is the business of `warps`.
"""

import torch
from torch import Tensor


def affine_matrix(angles: Tensor, scales: Tensor, shears: Tensor, translation: Tensor) -> Tensor:
    """Return (B, 3, 4) of angles, scales and translation (B, 3) and shears (B, 6), angles and shears in radians.

    Gradients flow to all of them.
    """
    with torch.autocast(angles.device.type, enabled=False):
        linear = shearing(shears) @ torch.diag_embed(scales) @ rotation(angles)
    return torch.cat([linear, translation[:, :, None]], 2)


def rotation(angles: Tensor) -> Tensor:
    """Return R_z R_y R_x (B, 3, 3), right-handed, of angles (B, 3) about x, y and z."""
    about_x, about_y, about_z = (_about(axis, angles[:, axis]) for axis in range(3))
    return about_z @ about_y @ about_x


def shearing(shears: Tensor) -> Tensor:
    """Return H (B, 3, 3): ones, and off the diagonal tan of the shears (B, 6), in the order xy, xz, yx, yz, zx, zy."""
    xy, xz, yx, yz, zx, zy = shears.tan().unbind(1)
    one = torch.ones_like(xy)
    return _matrix([[one, xy, xz], [yx, one, yz], [zx, zy, one]])


def _about(axis: int, angle: Tensor) -> Tensor:
    """Return the rotation about one axis; it turns the next axis towards the one after it."""
    sin, cos, one, zero = angle.sin(), angle.cos(), torch.ones_like(angle), torch.zeros_like(angle)
    after, last = (axis + 1) % 3, (axis + 2) % 3
    entries = {(axis, axis): one, (after, after): cos, (after, last): -sin, (last, after): sin, (last, last): cos}
    return _matrix([[entries.get((row, column), zero) for column in range(3)] for row in range(3)])


def _matrix(rows: list[list[Tensor]]) -> Tensor:
    """Stack entries (B,) to (B, 3, 3)."""
    return torch.stack([torch.stack(row, 1) for row in rows], 1)
