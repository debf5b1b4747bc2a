"""Projection heads between an encoder's features and a contrastive loss."""

from torch import Tensor, nn


class ProjectionHead(nn.Module):
    """Three linear layers, the first two followed by batch normalisation and ReLU.

    The normalisation has no weights and no running statistics: it uses the batch at hand, in evaluation too. On
    (B, C) it normalises each feature over the batch; on (B, S, C) each of the S positions over batch and features.
    """

    def __init__(self, in_channels: int, hidden: int, out_channels: int) -> None:
        super().__init__()
        self.layer1 = _normalised_linear(in_channels, hidden)
        self.layer2 = _normalised_linear(hidden, hidden)
        self.layer3 = nn.Sequential(nn.Linear(hidden, out_channels))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in_channels) or (B, S, in_channels) to the same with `out_channels`."""
        return self.layer3(self.layer2(self.layer1(features)))


def _normalised_linear(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(in_channels, out_channels),
        nn.BatchNorm1d(out_channels, affine=False, track_running_stats=False),
        nn.ReLU(inplace=True),
    )
