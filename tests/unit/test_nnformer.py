"""nnFormer: windows against a slow reference, volumes of other sizes than its own, and what is drawn and trained."""

from itertools import product

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from voxelbench.config import read_encoder
from voxelbench.encoders.nnformer import NnFormerDecoder, NnFormerTrunk
from voxelbench.encoders.nnformer_windows import CrossWindowAttention, WindowAttention, Windows
from voxelbench.errors import ConfigError
from voxelbench.settings import NnFormerPreset

ROI = (64, 32, 32)


@pytest.fixture
def preset():
    """The narrowest network with a shifted block in its trunk."""
    return NnFormerPreset(
        name="small",
        family="nnformer",
        embed=8,
        depths=(2, 1, 1, 1),
        num_heads=(1, 2, 2, 4),
        windows=(4, 4, 4, 4),
        roi=ROI,
        drop_path=0.2,
    )


def built(preset, in_channels=1):
    torch.manual_seed(0)
    return NnFormerTrunk(preset, in_channels), NnFormerDecoder(preset)


def slow_attention(attention, q, k, v, shift, size):
    """Attend token by token, on (X, Y, Z, C) padded already; tokens meet in a window of the shifted grid."""
    lengths, factors = q.shape[:3], (3 * attention.size - 1, 2 * attention.size - 1, 1)
    table = attention.relative_position_bias_table.detach().double().numpy()
    offsets = np.array(list(product(range(size), repeat=3)))
    mixed = np.zeros_like(q)
    for corner in product(*(range(0, length, size) for length in lengths)):
        place = corner + offsets + shift
        is_wrapped, tokens = place >= lengths, tuple((place % lengths).T)
        for own in range(len(offsets)):
            rows = (offsets[own] - offsets + attention.size - 1) @ factors
            is_far = (is_wrapped[own] != is_wrapped).any(-1)
            here = tuple(place[own] % lengths)
            for head, channels in enumerate(np.split(np.arange(q.shape[3]), attention.heads)):
                scores = k[tokens][:, channels] @ q[here][channels] / len(channels) ** 0.5
                weights = np.exp(scores + table[rows, head] - 100 * is_far)
                mixed[here][channels] = weights @ v[tokens][:, channels] / weights.sum()
    return mixed


@pytest.mark.parametrize(
    ("grid", "is_shifted", "size", "shift"),
    [((6, 4, 5), True, 3, 1), ((4, 3, 5), True, 3, 0), ((4, 2, 6), True, 2, 0), ((3, 6, 5), False, 3, 0)],
    ids=["shifted", "one window wide", "narrower than a window", "not shifted"],
)
def test_attention_in_windows_equals_attention_token_by_token(grid, is_shifted, size, shift):
    torch.manual_seed(0)
    attention = WindowAttention(4, 2, 3, is_shifted=is_shifted)
    torch.nn.init.normal_(attention.relative_position_bias_table)
    x = torch.randn(1, *grid, 4)
    padded = functional.pad(x[0], (0, 0, *(border for n in grid[::-1] for border in (0, -n % size))))
    q, k, v = (part.double().numpy() for part in attention.qkv(padded).detach().chunk(3, -1))
    expected = torch.from_numpy(slow_attention(attention, q, k, v, shift, size)).float()
    expected = attention.proj(expected)[: grid[0], : grid[1], : grid[2]]
    torch.testing.assert_close(attention(x)[0], expected, atol=1e-5, rtol=1e-5)


def test_attention_to_another_map_asks_with_the_tokens_themselves():
    torch.manual_seed(0)
    attention = CrossWindowAttention(4, 2, 2)
    x, other = torch.randn(2, 1, 4, 2, 6, 4)
    k, v = (part.double().numpy() for part in attention.kv(other[0]).detach().chunk(2, -1))
    expected = attention.proj(torch.from_numpy(slow_attention(attention, x[0].double().numpy(), k, v, 0, 2)).float())
    torch.testing.assert_close(attention(x, other)[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("grid", [(8, 4, 6), (5, 7, 9)])
@pytest.mark.parametrize("is_shifted", [False, True])
def test_joining_undoes_splitting(grid, is_shifted):
    x = torch.arange(2 * np.prod(grid) * 3).reshape(2, *grid, 3)
    windows = Windows.of(x, 3, is_shifted=is_shifted)
    assert windows.shift == is_shifted
    assert torch.equal(windows.join(windows.split(x)), x)


def test_maps_have_the_declared_channels_and_strides(preset):
    trunk, decoder = built(preset, in_channels=2)
    size = (48, 32, 64)
    with torch.inference_mode():
        encoded = trunk(torch.zeros(2, 2, *size))
        decoded = decoder(encoded, size)
    for part, maps in ((trunk, encoded), (decoder, decoded)):
        expected = [
            (2, c, *(length // stride for length in size))
            for c, stride in zip(part.channels, part.strides, strict=True)
        ]
        assert [tuple(each.shape) for each in maps] == expected


@pytest.mark.parametrize("size", [(64, 32, 40), (8, 32, 32)])
def test_a_volume_that_cannot_be_halved_four_times_is_refused(preset, size):
    trunk, _ = built(preset)
    with pytest.raises(ConfigError) as caught:
        trunk(torch.zeros(1, 1, *size))
    assert str(caught.value) == (
        f"encoder small was given {size[0]} x {size[1]} x {size[2]} voxels and halves each side four times; "
        "make the sides of the crop multiples of 16."
    )


def test_a_larger_volume_meets_the_network_that_would_be_built_for_it(preset):
    """Windows of 2 fit both, so that the two networks differ in their tables of positions alone."""
    preset, size = preset.model_copy(update={"windows": (2, 2, 2, 2)}), (96, 48, 64)
    trunk, _ = built(preset)
    larger, _ = built(preset.model_copy(update={"roi": size}))
    weights = trunk.state_dict()
    table = functional.interpolate(weights["model_down.position"], (48, 24, 32), mode="trilinear")
    larger.load_state_dict(weights | {"model_down.position": table})
    volume = torch.randn(1, 1, *size)
    with torch.inference_mode():
        for ours, theirs in zip(trunk.eval()(volume), larger.eval()(volume), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_a_narrower_volume_meets_the_windows_that_would_be_built_for_it(preset):
    """Tables of biases differ in shape there, so they are zero in both."""
    preset = preset.model_copy(update={"windows": (8, 8, 8, 8), "roi": (64, 64, 64)})
    narrower, _ = built(preset.model_copy(update={"roi": ROI}))
    trunk, _ = built(preset)
    own = trunk.state_dict()
    for name, tensor in narrower.state_dict().items():
        if "relative_position" not in name and "position" not in name:
            own[name].copy_(tensor)
    volume = torch.randn(1, 1, *ROI)
    with torch.inference_mode():
        for network in (trunk, narrower):
            for name, tensor in network.state_dict().items():
                if name.endswith("bias_table") or name == "model_down.position":
                    tensor.zero_()
        for ours, theirs in zip(trunk.eval()(volume), narrower.eval()(volume), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def gradients(preset):
    trunk, decoder = built(preset)
    torch.manual_seed(1)
    volume = torch.rand(2, 1, *ROI)
    decoder(trunk.eval()(volume), ROI)[-1].square().mean().backward()
    return {name: weight.grad for part in (trunk, decoder) for name, weight in part.named_parameters()}


def test_every_weight_takes_a_gradient_the_same_each_time(preset, deterministic):
    first, second = gradients(preset), gradients(preset)
    assert [name for name, gradient in first.items() if gradient is None or not gradient.any()] == []
    assert all(torch.equal(gradient, second[name]) for name, gradient in first.items())


def test_bfloat16_stays_finite_and_near(preset):
    trunk, decoder = (part.eval() for part in built(preset))
    volume = torch.rand(1, 1, *ROI)
    with torch.no_grad():
        exact = decoder(trunk(volume), ROI)[-1]
        with torch.autocast("cpu", torch.bfloat16):
            rounded = decoder(trunk(volume), ROI)[-1]
    torch.testing.assert_close(rounded.float(), exact, atol=0.05 * exact.abs().max().item(), rtol=0)


def test_drawing(preset):
    trunk, decoder = built(preset.model_copy(update={"embed": 48}))
    linear = [module for module in trunk.modules() if isinstance(module, torch.nn.Linear)]
    assert all(layer.weight.std().item() == pytest.approx(0.02, rel=0.1) for layer in linear)
    assert not any(layer.bias.any() for layer in linear)
    blocks = [block for stage in trunk.model_down.layers for block in stage.blocks]
    assert [block.drop_path.drop_prob for block in blocks] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    upwards = [block for stage in reversed(decoder.decoder.layers) for block in stage.blocks]
    assert [block.drop_path.drop_prob for block in upwards] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2])


def test_the_table_of_positions_is_drawn_saved_and_not_trained(preset):
    trunk, _ = built(preset)
    name = "model_down.position"
    table = trunk.state_dict()[name]
    assert table.shape == (1, 8, 32, 16, 16) and table.std().item() == pytest.approx(0.02, rel=0.1)
    assert name not in dict(trunk.named_parameters())
    assert not torch.equal(table, NnFormerTrunk(preset, 1).state_dict()[name])


def test_the_demo_has_the_heads_and_windows_of_the_released_network():
    full, demo = read_encoder("alice-nnformer"), read_encoder("alice-nnformer-demo")
    assert demo.windows == full.windows
    assert {preset.embed / preset.num_heads[0] for preset in (full, demo)} == {8}


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [("roi", (64, 64, 40), "make its sides multiples of 16"), ("num_heads", (1, 2, 3, 4), "must divide the channels")],
)
def test_a_preset_that_cannot_be_built_is_refused(preset, key, value, problem):
    with pytest.raises(ValidationError, match=problem):
        NnFormerPreset(**preset.model_dump() | {key: value})
