"""The four tasks. A task is labels of a dataset (its card) and a protocol of the engine (here)."""
