"""Crop-wise passes: the same features and gradients, in parts."""

import pytest
import torch

from voxelbench.config import read_encoder
from voxelbench.encoders.build import build
from voxelbench.nn.recompute import crop_wise


@pytest.fixture(scope="module")
def trunk():
    torch.manual_seed(0)
    return build(read_encoder("swin12-demo"), 1, {"trunk"}).trunk.double()


def features_and_gradients(trunk, crops, crops_per_pass):
    trunk.zero_grad()
    maps = crop_wise(trunk, crops, crops_per_pass)
    sum(feature.square().mean() for feature in maps).backward()
    return [*maps, *(parameter.grad.clone() for parameter in trunk.parameters())]


@pytest.mark.parametrize("crops_per_pass", [1, 2])
def test_parts_give_the_features_and_gradients_of_the_whole(trunk, crops_per_pass):
    crops = torch.rand(3, 1, 64, 32, 32, generator=torch.Generator().manual_seed(1)).double()
    whole, parts = (features_and_gradients(trunk, crops, number) for number in (None, crops_per_pass))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_a_part_sees_no_more_than_its_crops():
    seen = []

    def network(crops):
        seen.append(len(crops))
        return (crops.square(),)

    crop_wise(network, torch.rand(5, 1, 2, 2, 2, requires_grad=True), 2)[0].sum().backward()
    forward, again = seen[:3], seen[3:]
    assert forward == [2, 2, 1]
    assert sorted(again) == [1, 2, 2]
