import pytest
import torch

from voxelbench.nn.queue import FeatureQueue


def test_starts_with_unit_rows():
    torch.testing.assert_close(FeatureQueue(7, 4).rows.norm(dim=1), torch.ones(7))


def test_overwrites_the_oldest_rows_and_wraps():
    queue = FeatureQueue(5, 1)
    for value in range(4):
        queue.enqueue(torch.full((2, 1), float(value)))
    assert queue.rows.flatten().tolist() == [2, 3, 3, 1, 2]
    assert queue.pointer == 3


def test_rejects_more_rows_than_it_holds():
    with pytest.raises(ValueError, match="3 rows do not fit into a queue of 2"):
        FeatureQueue(2, 1).enqueue(torch.zeros(3, 1))


def test_state_dict_holds_rows_and_pointer():
    queue, other = FeatureQueue(3, 2), FeatureQueue(3, 2)
    queue.enqueue(torch.ones(2, 2))
    other.load_state_dict(queue.state_dict())
    assert torch.equal(other.rows, queue.rows)
    assert other.pointer == 2
