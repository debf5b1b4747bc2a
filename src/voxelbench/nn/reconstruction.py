"""Reconstruction losses over the hidden part of a volume."""

from torch import Tensor


def masked_mse(prediction: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error over hidden positions only (He et al. 2022, "Masked Autoencoders", reconstruction target).

    `prediction` and `target` are (B, T) or (B, T, C), `hidden` bool (B, T). Raises ValueError if nothing is hidden.
    """
    if not hidden.any():
        raise ValueError("masked_mse needs at least one hidden position, the mask hides none")
    return (prediction - target)[hidden].square().mean()
