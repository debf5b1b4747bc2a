"""The loss block of S2DC, forward and backward, against the same formulas written slice by slice.

    python benchmarks/s2dc_losses.py [--images 1] [--repeats 20]

`reference` is how one writes the losses down first: a Python loop over slices, Sinkhorn by log-sum-exps. It is kept to
be timed against, and to show that speed changed no number: values and gradients are compared before anything is timed.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from voxelbench import resolve
from voxelbench.methods.s2dc import losses
from voxelbench.methods.s2dc.augmentation import VolumeAffine
from voxelbench.methods.s2dc.correspondence import token_map, token_pairs
from voxelbench.runs import MethodId

SETTINGS = resolve.method_settings(MethodId.parse("s2dc.code"), "full")
SLICES, CHANNELS, EPSILON = 3, SETTINGS["head_out"], 1e-6
GRIDS = {"4 crops of 96": 6, "16 crops of 96": 12}
"""Tokens along one side of the plane."""

Block = Callable[[Tensor, Tensor], Tensor]


def ours(similarity: Tensor, pairs: Tensor) -> Tensor:
    """Return p2p + p2s of cosines (S, N, N), as the method computes them."""
    assignment = losses.optimal_transport(similarity, SETTINGS["sinkhorn_dustbin"], SETTINGS["sinkhorn_iterations"])
    return losses.patch_to_patch(assignment, pairs) + losses.patch_to_structure(similarity, pairs)


def reference(similarity: Tensor, pairs: Tensor) -> Tensor:
    """Return the same, one slice at a time."""
    total = similarity.new_zeros(())
    for cosines, pair in zip(similarity, pairs, strict=True):
        assignment = _sinkhorn(cosines).clamp(EPSILON, 1 - EPSILON)
        p2p = -assignment[pair].log().mean() - (1 - assignment[~pair]).log().mean()
        affinity = (1 + cosines) / 2
        columns = ((affinity.max(0).values - affinity.mean(0)) / affinity.std(0)).softmax(0)
        rows = ((affinity.max(1).values - affinity.mean(1)) / affinity.std(1)).softmax(0)
        weights = (rows[:, None] + columns[None, :]) / 2
        affinity = affinity.clamp(EPSILON, 1 - EPSILON)
        p2s = -(weights * affinity.log())[pair].sum() - (1 - affinity[~pair]).log().mean()
        total = total + p2p + p2s
    return total / len(similarity)


def _sinkhorn(cosines: Tensor) -> Tensor:
    n = len(cosines)
    bordered = cosines.new_full((n + 1, n + 1), SETTINGS["sinkhorn_dustbin"])
    bordered[:n, :n] = cosines
    mass = cosines.new_full((n + 1,), -math.log(2 * n))
    mass[n] += math.log(n)
    u, v = torch.zeros_like(mass), torch.zeros_like(mass)
    for _ in range(SETTINGS["sinkhorn_iterations"]):
        u = mass - torch.logsumexp(bordered + v[None, :], 1)
        v = mass - torch.logsumexp(bordered + u[:, None], 0)
    return (bordered + u[:, None] + v[None, :] + math.log(2 * n))[:n, :n].exp()


def matching(side: int, n_images: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Draw unit tokens' cosines (S, N, N), and the true pairs of one affine map."""
    generator = torch.Generator().manual_seed(0)
    shape = (SLICES * n_images, side**2, CHANNELS)
    student, teacher = (normalize(torch.randn(shape, generator=generator, dtype=dtype), dim=-1) for _ in range(2))
    size = SETTINGS["token_size"]
    pairs = token_pairs(token_map(VolumeAffine((12.0, -7.0), 11.0, 1.1), "upstream"), (side * size,) * 2, size)
    return student @ teacher.transpose(1, 2), torch.from_numpy(pairs).expand(len(student), -1, -1)


def value_and_gradient(block: Block, similarity: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss, and its gradient on the cosines."""
    leaf = similarity.clone().requires_grad_()
    loss = block(leaf, pairs)
    loss.backward()
    return loss.detach(), leaf.grad


def check_equal(side: int) -> None:
    """Stop where the two ways differ by more than rounding."""
    inputs = matching(side, 1, torch.double)
    both = zip(value_and_gradient(ours, *inputs), value_and_gradient(reference, *inputs), strict=True)
    for actual, expected in both:
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def milliseconds(block: Block, similarity: Tensor, pairs: Tensor) -> float:
    """Time one forward and backward pass."""
    started = time.perf_counter()
    value_and_gradient(block, similarity, pairs)
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    """Compare, then time the two ways in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    print("| setting | slice by slice, ms | ours, ms | ratio |\n|---|---|---|---|")
    for name, side in GRIDS.items():
        check_equal(side)
        inputs = matching(side, arguments.images, torch.float)
        times = [(milliseconds(reference, *inputs), milliseconds(ours, *inputs)) for _ in range(arguments.repeats)]
        slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(theirs / own for theirs, own in times)
        print(f"| {name}, {arguments.images} image(s) | {slow:.1f} | {fast:.1f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
