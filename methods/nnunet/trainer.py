"""nnU-Net's trainer with our lengths and our seed; the same for CPU and GPU."""

import random

import numpy as np
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from voxelbench.method import BEFORE_TRAINING, seed_torch, step_rng


class Trainer(nnUNetTrainer):
    """nnU-Net's trainer, seeded. It keeps the signature that its base reads from `__init__` to write checkpoints."""

    def follow(
        self, epochs: int, iterations: int, validation_iterations: int, checkpoint_epochs: int, seed: int
    ) -> None:
        """Take lengths and seed; to be called before anything else."""
        self.num_epochs = epochs
        self.num_iterations_per_epoch = iterations
        self.num_val_iterations_per_epoch = validation_iterations
        self.save_every = checkpoint_epochs
        self.seed = seed

    def initialize(self) -> None:
        """Build the network, from the seed alone."""
        self._seed(BEFORE_TRAINING)
        super().initialize()

    def on_epoch_start(self) -> None:
        """Seed an epoch by its number, so that a run that was resumed draws what it would have drawn."""
        self._seed(self.current_epoch)
        super().on_epoch_start()

    def _seed(self, step: int) -> None:
        rng = step_rng(self.seed, step)
        random.seed(int(rng.randint(2**31)))
        np.random.seed(rng.randint(2**31))  # batchgenerators draw from the global state
        seed_torch(self.seed, step)
