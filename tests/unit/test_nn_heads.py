import torch

from voxelbench.nn.heads import ProjectionHead


def test_normalises_each_feature_over_the_batch():
    head = ProjectionHead(5, 8, 3)
    hidden = head.layer1[:2](torch.randn(16, 5))
    torch.testing.assert_close(hidden.mean(0), torch.zeros(8), rtol=0, atol=1e-5)


def test_normalises_each_position_over_batch_and_features():
    head = ProjectionHead(5, 8, 3)
    hidden = head.layer1[:2](torch.randn(16, 4, 5))
    torch.testing.assert_close(hidden.mean((0, 2)), torch.zeros(4), rtol=0, atol=1e-5)
    assert hidden.mean((0, 1)).abs().max() > 1e-3


def test_a_position_does_not_depend_on_the_others():
    head = ProjectionHead(5, 8, 3)
    tokens = torch.randn(16, 4, 5)
    torch.testing.assert_close(head(tokens)[:, :2], head(tokens[:, :2]))


def test_holds_no_running_statistics():
    assert all(name.endswith(("weight", "bias")) for name in ProjectionHead(5, 8, 3).state_dict())
