"""Alice's nnFormer: names and shapes, its parts, and what the whole makes of a crop and of a masked one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from voxelbench.config import read_encoder
from voxelbench.encoders.backbone import Backbone
from voxelbench.encoders.nnformer import NnFormerDecoder, NnFormerTrunk
from voxelbench.encoders.nnformer_layers import Stage, UpStage
from voxelbench.encoders.nnformer_windows import Windows, relative_position_index

N_PARAMETERS_OF_TRUNK = 7_651_668
N_PARAMETERS = 9_725_763


class Released(nn.Module):
    """The backbone for crops of one size, with the three output heads of the released code."""

    def __init__(self, size):
        super().__init__()
        preset = read_encoder("alice-nnformer").model_copy(update={"roi": tuple(size)})
        self.backbone = Backbone(NnFormerTrunk(preset, 1), decoder=NnFormerDecoder(preset), rebuild=lambda: None)
        heads = [nn.ConvTranspose3d(channels, 1, 2, stride=2) for channels in self.backbone.decoder.channels[::-1]]
        self.final = nn.ModuleList(nn.ModuleDict({"up": head}) for head in heads)
        self.eval()

    def forward(self, volume):
        encoded, decoded = self.backbone(volume)
        return encoded, decoded, self.final[0]["up"](decoded[-1])

    def named(self):
        """The tensors under their released names; the table of positions is no part of released checkpoints."""
        state = {**self.backbone.trunk.state_dict(), **self.backbone.decoder.state_dict()}
        heads = {f"final.{name}": tensor for name, tensor in self.final.state_dict().items()}
        return {name: tensor for name, tensor in {**state, **heads}.items() if name != "model_down.position"}


def released_shapes(roi):
    return dict(json.loads((Path(__file__).parent / f"alice_nnformer_roi{roi}_state_shapes.json").read_text("utf-8")))


def in_released_order(module, prefix):
    """The tensors of a part in the order of the released state dict."""
    state = module.state_dict()
    names = [name.removeprefix(prefix) for name in released_shapes(64) if name.startswith(prefix)]
    return {name: state[name] for name in names if name in state}


def sinusoid(n_tokens, dim):
    """angle = p / 10000^(2 floor(j / 2) / dim) for token p and channel j; sine where j is even, else cosine."""
    j = np.arange(dim)
    angle = np.arange(n_tokens)[:, None] / 10000 ** (2 * (j // 2) / dim)
    return np.where(j % 2, np.cos(angle), np.sin(angle))


def cube(tokens):
    """(B, T, C) as a cube of tokens."""
    tokens = torch.from_numpy(tokens)
    return tokens.unflatten(1, (round(tokens.shape[1] ** (1 / 3)),) * 3)


@pytest.mark.parametrize("roi", [32, 64])
def test_names_and_shapes(roi):
    named = Released((roi,) * 3).named()
    assert {name: list(tensor.shape) for name, tensor in named.items()} == released_shapes(roi)


def test_number_of_parameters(certify):
    network = Released((64, 64, 64))

    def count(module):
        never_trained = network.backbone.trunk.model_down.mask_token
        return sum(parameter.numel() for parameter in module.parameters()) + never_trained.numel()

    ours = [count(network.backbone.trunk), count(network)]
    array, theirs = "alice_nnformer_roi64_state_shapes", [N_PARAMETERS_OF_TRUNK, N_PARAMETERS]
    certify(array, "parameters of the trunk, and with decoder and heads", ours, theirs, atol=0)


def test_positions(golden, certify):
    array, arrays = "alice_relpos", golden("alice_relpos")
    side = round(len(arrays["index_w4"]) ** (1 / 3))
    index = relative_position_index(side)
    certify(array, "relative position, window of 4", index, arrays["index_w4"], atol=0)
    assert len(index.unique()) < (2 * side - 1) ** 3, "the released index lets positions share a bias"
    index = relative_position_index(round(len(arrays["index_w8_row0"]) ** (1 / 3)))
    certify(array, "relative position, window of 8", index[0], arrays["index_w8_row0"], atol=0)
    certify(array, "relative position, window of 8", index[-1], arrays["index_w8_last"], atol=0)
    certify(array, "sinusoid of positions", sinusoid(*arrays["sin"].shape[1:]), arrays["sin"][0], atol=1e-6)


def test_two_blocks(golden, certify, fill_by_position):
    array, arrays = "alice_swin_layer", golden("alice_swin_layer")
    x, window = cube(arrays["x"]), round(arrays["attn_mask"].shape[-1] ** (1 / 3))
    heads = x.shape[-1] // 8
    stage = Stage(x.shape[-1], heads, window, (0.0, 0.0), is_last=True).eval()
    fill_by_position(in_released_order(stage, "model_down.layers.0."))
    with torch.no_grad():
        y, _ = stage(x)
    mask = Windows.of(x, window, is_shifted=True).mask(x.device)
    certify(array, "mask of the shifted windows", mask, arrays["attn_mask"], atol=0)
    certify(array, "a block and a shifted block", y.flatten(1, 3), arrays["y"], scaled=1e-5)


def test_a_level_of_the_decoder(golden, certify, fill_by_position):
    array, arrays = "alice_swin_up_layer", golden("alice_swin_up_layer")
    x, skip = cube(arrays["x"]), cube(arrays["skip"])
    preset = read_encoder("alice-nnformer")
    level = UpStage(skip.shape[-1], preset.num_heads[0], preset.windows[0], 0.0, 0.0).eval()
    fill_by_position(in_released_order(level, "decoder.layers.0."))
    with torch.no_grad():
        y = level(x, skip).flatten(1, 3)
    certify(array, "upsampling, attention to the skip, a shifted block", y, arrays["y"], scaled=1e-5)


@pytest.fixture(scope="module", params=[32, 64])
def roi(request):
    return request.param


@pytest.fixture
def network(roi, fill_by_position):
    """The released network with its weights set, and its table of positions replaced by the sinusoid."""
    network = Released((roi,) * 3)
    named = network.named()
    fill_by_position({name: named[name] for name in released_shapes(roi)})
    position = network.backbone.trunk.model_down.position
    table = sinusoid(position[0, 0].numel(), position.shape[1])
    position.copy_(torch.from_numpy(table.T.reshape(position.shape)))
    return network


@pytest.mark.parametrize("kind", ["full", "masked"])
def test_features_of_a_crop(golden, certify, network, roi, kind):
    array = f"alice_nnformer_roi{roi}"
    arrays = golden(array)
    volume = torch.from_numpy(arrays["x"])
    if kind == "masked":
        volume = volume * (1 - functional.interpolate(torch.from_numpy(arrays["mask"]), volume.shape[2:]))
    with torch.no_grad():
        encoded, decoded, reconstruction = network(volume)

    ours = {
        f"{kind}_cls": encoded[-1].mean((2, 3, 4)),
        f"{kind}_neck": encoded[-1],
        f"{kind}_dec": decoded[0].permute(0, 1, 3, 4, 2),  # the released code hands it on with its axes rotated
        f"{kind}_recon": reconstruction,
    }
    if kind == "full":
        ours["enc_stage2"] = encoded[2]
        ours |= {f"enc_stage{stage}_mean": encoded[stage].mean((2, 3, 4)) for stage in (0, 1)}
    for key, features in ours.items():
        certify(array, f"`{key}`", features, arrays[key], scaled=1e-5)
