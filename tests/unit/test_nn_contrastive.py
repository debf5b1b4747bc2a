import math

import pytest
import torch

from voxelbench.nn.contrastive import info_nce


def test_equals_the_written_out_formula():
    anchors, positives, negatives = (torch.randn(n, 3, generator=torch.Generator().manual_seed(n)) for n in (2, 2, 5))
    expected = 0.0
    for anchor, positive in zip(anchors, positives, strict=True):
        scores = [math.exp(anchor.dot(other).item() / 0.5) for other in (positive, *negatives)]
        expected -= math.log(scores[0] / sum(scores)) / len(anchors)
    assert info_nce(anchors, positives, negatives, 0.5).item() == pytest.approx(expected, rel=1e-5)


def test_is_the_log_of_the_number_of_candidates_when_all_are_alike():
    rows = torch.ones(4, 3)
    assert info_nce(rows[:1], rows[:1], rows, 0.9).item() == pytest.approx(math.log(5))
