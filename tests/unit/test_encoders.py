"""The backbone's parts compute what MONAI's SwinUNETR computes, and weights load completely or not at all."""

import pytest
import torch
from monai.networks.nets import SwinUNETR
from safetensors.torch import load_file, save_file

from voxelbench.config import read_encoder
from voxelbench.encoders.build import build, load_pretrained
from voxelbench.encoders.publish import publish
from voxelbench.errors import TrainingError
from voxelbench.evaluate.networks import DenseNetwork, PooledNetwork

PARTS = frozenset({"trunk", "skips", "decoder"})


@pytest.fixture(scope="module")
def preset():
    return read_encoder("swin12-demo")


@pytest.fixture
def weights(tmp_path, preset):
    """Return the file of a published backbone with one input channel."""
    torch.manual_seed(1)
    path = tmp_path / "weights"
    publish(build(preset, 1, PARTS), path)
    return path


def test_a_dense_network_is_monais_swin_unetr(preset):
    fixed = preset.model_copy(update={"merging": "fixed"})
    torch.manual_seed(0)
    theirs = SwinUNETR(
        in_channels=2,
        out_channels=3,
        feature_size=fixed.feature_size,
        depths=fixed.depths,
        num_heads=fixed.num_heads,
        window_size=fixed.window_size,
        use_v2=fixed.use_v2,
        downsample="merging",
    ).eval()
    ours = DenseNetwork(build(fixed, 2, PARTS), 3).eval()
    renamed = {key.split(".", 2)[-1] if "out" not in key else key: key for key in ours.state_dict()}
    assert renamed.keys() == theirs.state_dict().keys()
    ours.load_state_dict({renamed[key]: tensor for key, tensor in theirs.state_dict().items()}, strict=True)
    volume = torch.randn(1, 2, 64, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(ours(volume), theirs(volume))
        legacy = DenseNetwork(build(preset, 2, PARTS), 3).eval()
        legacy.load_state_dict(ours.state_dict())
        assert not torch.allclose(legacy(volume), theirs(volume), atol=1e-3)


def test_a_pyramid_has_the_channels_and_strides_that_it_announces(preset):
    trunk = build(preset, 1, ()).trunk.eval()
    with torch.inference_mode():
        maps = trunk(torch.zeros(1, 1, 64, 32, 96))
    expected = [(1, c, 64 // s, 32 // s, 96 // s) for c, s in zip(trunk.channels, trunk.strides, strict=True)]
    assert [tuple(each.shape) for each in maps] == expected


def test_a_pooled_network_answers_for_each_volume(preset):
    network = PooledNetwork(build(preset, 1, PooledNetwork.parts), 5).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 1, 64, 32, 32)).shape == (2, 5)


def test_only_the_asked_parts_are_built(preset):
    assert build(preset, 1, {"trunk"}).parts().keys() == {"trunk"}
    assert build(preset, 1, PARTS).parts().keys() == PARTS
    with pytest.raises(ValueError, match="needs a backbone with a decoder"):
        DenseNetwork(build(preset, 1, {"trunk"}), 1)


def test_published_weights_load_completely(preset, weights):
    fresh = build(preset, 1, PARTS)
    assert load_pretrained(fresh, weights) == dict.fromkeys(PARTS, "pretrained")
    published = load_file(weights)
    loaded = {f"{name}.{key}": t for name, part in fresh.parts().items() for key, t in part.state_dict().items()}
    assert loaded.keys() == published.keys() and all(torch.equal(loaded[key], published[key]) for key in published)


def test_a_part_that_was_not_pretrained_stays_random(tmp_path, preset):
    path = tmp_path / "trunk"
    publish(build(preset, 1, {"trunk"}), path)
    origin = load_pretrained(build(preset, 1, PARTS), path)
    assert origin == {"trunk": "pretrained", "skips": "random", "decoder": "random"}


def test_other_input_channels_leave_a_random_stem(preset, weights):
    torch.manual_seed(2)
    fresh = build(preset, 4, PARTS)
    stem = fresh.trunk.state_dict()["swinViT.patch_embed.proj.weight"].clone()
    origin = load_pretrained(fresh, weights)
    assert origin == {
        "trunk": "pretrained, random stem",
        "skips": "pretrained, random stem",
        "decoder": "pretrained",
    }
    assert torch.equal(fresh.trunk.state_dict()["swinViT.patch_embed.proj.weight"], stem)
    name = "swinViT.layers1.0.blocks.0.norm1.weight"
    assert torch.equal(fresh.trunk.state_dict()[name], load_file(weights)[f"trunk.{name}"])


def test_an_inflated_stem_sees_equal_channels_as_it_saw_one(preset, weights):
    one, four = build(preset, 1, PARTS), build(preset, 4, PARTS)
    load_pretrained(one, weights)
    assert load_pretrained(four, weights, "inflate")["trunk"] == "pretrained, inflated stem"
    volume = torch.rand(1, 1, 64, 32, 32)
    with torch.inference_mode():
        expected, found = one.eval()(volume).encoded, four.eval()(volume.expand(-1, 4, -1, -1, -1)).encoded
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(expected, found, strict=True))


def test_a_missing_tensor_is_refused(preset, weights):
    tensors = load_file(weights)
    dropped = sorted(key for key in tensors if key.startswith("trunk."))[0]
    del tensors[dropped]
    save_file(tensors, weights)
    with pytest.raises(TrainingError) as caught:
        load_pretrained(build(preset, 1, PARTS), weights)
    assert str(caught.value) == (
        f"{weights}: trunk: 1 tensors do not match the encoder preset, the first is {dropped.removeprefix('trunk.')}."
    )


def test_another_preset_is_refused(preset, weights):
    wider = preset.model_copy(update={"feature_size": 24})
    with pytest.raises(
        TrainingError, match=r"has shape \(.*\), the preset builds \(.*\); the run names another encoder\."
    ):
        load_pretrained(build(wider, 1, PARTS), weights)


def test_weights_of_another_patch_merging_are_refused_though_they_fit(preset, weights):
    fixed = preset.model_copy(update={"name": "mine", "merging": "fixed"})
    with pytest.raises(TrainingError) as caught:
        load_pretrained(build(fixed, 1, PARTS), weights)
    assert str(caught.value) == (
        f"{weights}: was trained with `merging: legacy`, the run's encoder mine has `merging: fixed`; "
        "name an encoder that agrees."
    )


def test_an_unknown_part_is_refused(preset, weights):
    save_file(load_file(weights) | {"head.weight": torch.zeros(1)}, weights)
    with pytest.raises(TrainingError) as caught:
        load_pretrained(build(preset, 1, PARTS), weights)
    assert str(caught.value) == (
        f"{weights}: holds 'head', which is no part of a backbone; expected trunk, skips, decoder."
    )
