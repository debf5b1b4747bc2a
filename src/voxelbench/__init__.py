"""voxelbench: rebuild every table of 3D medical self-supervised learning, from data to cell.

This module imports nothing: Snakemake's own process imports `voxelbench.config`, `paths` and `registry`
on machines that may have no torch.
"""

__version__ = "0.1.0"

PROTOCOL = 2
"""Version of the engine's protocol. Raise it with every change of the engine that moves numbers."""
