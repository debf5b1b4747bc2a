"""How many of the token pairs of S2DC's released ground truth are right, over draws of its own augmentation.

python benchmarks/s2dc_right_pairs.py [--draws 300]
"""

import argparse

import numpy as np

from voxelbench.methods.s2dc.augmentation import VolumeAffineRange, draw_volume_affine
from voxelbench.methods.s2dc.correspondence import token_map, token_pairs
from voxelbench.resolve import method_settings
from voxelbench.runs import MethodId


def pair_counts(n_draws: int) -> np.ndarray:
    """Return (n_draws, 3): pairs as released, exact pairs, pairs that both hold."""
    settings = method_settings(MethodId.parse("s2dc.code"), "full")
    limits, plane = VolumeAffineRange(**settings["volume_affine"]), tuple(settings["crop"][:2])
    rng = np.random.RandomState(0)
    counts = []
    for _ in range(n_draws):
        affine = draw_volume_affine(limits, rng)
        released, exact = (
            token_pairs(token_map(affine, mode), plane, settings["token_size"]) for mode in ("upstream", "exact")
        )
        counts.append((released.sum(), exact.sum(), (released & exact).sum()))
    return np.array(counts)


def main() -> None:
    """Print the share of right pairs, and the means behind it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=300)
    counts = pair_counts(parser.parse_args().draws)
    released, exact, both = counts.mean(0)
    share = counts[:, 2] / counts[:, 0]
    low, high = np.percentile(share, (5, 95))
    print(f"{len(counts)} draws: {both:.1f} of {released:.1f} released pairs are right ({both / released:.1%});")
    print(f"exact geometry has {exact:.1f}. Over draws the share goes from {low:.0%} (5th percentile) to {high:.0%}.")


if __name__ == "__main__":
    main()
