"""Which cases make a sample, and the samples of a run as a dataset that a DataLoader can read in any worker.

Sample k of a run is a function of (seed, k) alone, so the number of workers or of processes, or a resumed run, changes
nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from voxelbench.data.case import Case
from voxelbench.errors import ConfigError, DataError
from voxelbench.method import Views, step_rng

Draw = Callable[[tuple[Case, ...], np.random.RandomState], Views]

# The stream of case orders must not meet that of the samples, which are seeded by (seed, step, index).
_ORDER = 2**31


class Samples(Dataset[Views]):
    """All samples of a run. Every case comes first in a group once an epoch, its companions drawn from the others."""

    def __init__(self, cases: Sequence[Case], draw: Draw, group_size: int, batch: int, seed: int) -> None:
        if len(cases) < group_size:
            raise DataError(f"a sample needs {group_size} cases and the corpus has {len(cases)}; add cases to it.")
        self.cases = cases
        self.draw = draw
        self.group_size = group_size
        self.batch = batch
        self.seed = seed

    def group(self, index: int) -> tuple[Case, ...]:
        """Return the distinct cases of sample `index`."""
        epoch, position = divmod(index, len(self.cases))
        order = step_rng(self.seed, epoch + _ORDER).permutation(len(self.cases))
        first = int(order[position])
        others = [i for i in range(len(self.cases)) if i != first]
        rng = step_rng(self.seed, index + _ORDER, 0)
        companions = rng.choice(others, self.group_size - 1, replace=False) if self.group_size > 1 else ()
        return tuple(self.cases[int(i)] for i in (first, *companions))

    def __getitem__(self, index: int) -> Views:
        step, place = divmod(index, self.batch)
        return self.draw(self.group(index), step_rng(self.seed, step, place))


def share(accumulate: int, process: int, processes: int) -> range:
    """Return which micro-batches of a step are those of one process: a block, in the order of the processes.

    Raises:
        ConfigError: the micro-batches of a step cannot be shared out evenly.
    """
    if accumulate % processes:
        raise ConfigError(
            f"training runs on {processes} processes, but a step has {accumulate} micro-batches (`accumulate`);"
            " use a number of processes that divides it."
        )
    each = accumulate // processes
    return range(process * each, (process + 1) * each)


def batches(samples: Samples, numbers: Iterable[int], workers: int) -> Iterator[dict[str, torch.Tensor]]:
    """Yield the micro-batches of a run with these numbers, collated along a new leading axis."""
    indices = [list(range(k * samples.batch, (k + 1) * samples.batch)) for k in numbers]
    # Without a generator of its own the loader draws from torch's, and the first step of a resumed run would differ.
    own = torch.Generator()
    yield from DataLoader(samples, batch_sampler=indices, num_workers=workers, generator=own)
