"""From physical units to network input. Whoever uses a volume scales it; the cache never does."""

from collections.abc import Sequence

import numpy as np

from voxelbench.settings import IntensityRule


def scale(volume: np.ndarray, rules: Sequence[IntensityRule]) -> np.ndarray:
    """Return float32 (C, X, Y, Z), one rule a channel.

    z-scores divide by the standard deviation of the voxels they are taken over, as MONAI's NormalizeIntensity;
    a constant volume becomes 0.
    """
    if len(rules) == 1:
        rules = [rules[0]] * len(volume)
    return np.stack([_scale_channel(channel, rule) for channel, rule in zip(volume, rules, strict=True)]).astype(
        np.float32
    )


def _scale_channel(channel: np.ndarray, rule: IntensityRule) -> np.ndarray:
    if rule.kind == "window":
        return np.clip((channel - rule.low) / (rule.high - rule.low), 0.0, 1.0)
    if rule.kind == "zscore":
        return _zscore(channel, np.ones(channel.shape, bool))
    return _zscore(channel, channel != 0)


def _zscore(channel: np.ndarray, where: np.ndarray) -> np.ndarray:
    if not where.any():
        return np.zeros_like(channel)
    values = channel[where]
    deviation = values.std()
    scaled = np.zeros_like(channel)
    scaled[where] = (values - values.mean()) / (deviation if deviation > 0 else 1.0)
    return scaled
