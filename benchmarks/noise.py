"""What the benchmarks feed: views of a CT-like volume of white noise, drawn as a run draws them."""

import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
from torch.utils.data import default_collate

from voxelbench.data.cache import write_volume
from voxelbench.data.case import Case
from voxelbench.method import Batch, MethodConfig, step_rng

SHAPE = (448, 448, 128)


def noise_batch(plugin: ModuleType, config: MethodConfig) -> Batch:
    """Draw the first micro-batch of a method, every sample from the same case."""
    volume = np.random.RandomState(0).uniform(-500, 500, (1, *SHAPE)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.h5"
        write_volume(path, volume)
        case = Case("noise", "noise", "CT", ("image",), ("HU",), (0.8, 0.8, 3.0), np.eye(4), SHAPE, path)
        cases = (case,) * config.group_size
        samples = [plugin.views(cases, config, step_rng(0, 0, index)) for index in range(config.batch)]
    batch: Batch = default_collate(samples)
    return batch
