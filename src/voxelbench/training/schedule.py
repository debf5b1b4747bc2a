"""Learning rate as a function of the step."""

import math

from voxelbench.settings import Schedule


def learning_rate(step: int, total: int, peak: float, schedule: Schedule) -> float:
    """Return the rate of a step: linear from 0 (at step 0), then half a cosine that reaches `min_lr` at `total`."""
    if step < schedule.warmup_steps:
        return peak * step / schedule.warmup_steps
    if schedule.shape == "constant":
        return peak
    done = (step - schedule.warmup_steps) / max(total - schedule.warmup_steps, 1)
    return schedule.min_lr + (peak - schedule.min_lr) * 0.5 * (1.0 + math.cos(math.pi * done))
