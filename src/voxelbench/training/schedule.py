"""Learning rate and weight decay as functions of the step."""

import math

from voxelbench.settings import Optimiser, Schedule


def learning_rate(step: int, total: int, peak: float, schedule: Schedule) -> float:
    """Return the rate of a step: linear from 0 (at step 0), then half a cosine that reaches `min_lr` at `total`.

    Or at `schedule.trough_step`: the cosine goes on beyond, and with it the rate.
    """
    every = schedule.every_steps
    count, warmup, end = step // every, schedule.warmup_steps // every, (schedule.trough_step or total) // every
    if schedule.extra_every_steps:
        count += step // schedule.extra_every_steps
    if count < warmup:
        return peak * count / max(warmup - (schedule.warmup == "closed"), 1)
    if schedule.shape == "constant":
        return peak
    return half_cosine(peak, schedule.min_lr, (count - warmup) / max(end - warmup, 1))


def weight_decay(step: int, total: int, optimiser: Optimiser) -> float:
    """Return the weight decay of a step: constant, or half a cosine that reaches `weight_decay_end` at `total`."""
    if optimiser.weight_decay_end is None:
        return optimiser.weight_decay
    return half_cosine(optimiser.weight_decay, optimiser.weight_decay_end, step / total)


def half_cosine(start: float, end: float, done: float) -> float:
    """Return the value at the share `done` of half a cosine from `start` (at 0) to `end` (at 1)."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * done))
