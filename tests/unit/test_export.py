"""What is exported is what was trained: MONAI computes equal features, and the card says whose they are."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from voxelbench import PROTOCOL, paths
from voxelbench.cli import main
from voxelbench.config import read_encoder
from voxelbench.encoders.backbone import PARTS
from voxelbench.encoders.build import build
from voxelbench.encoders.export import export
from voxelbench.encoders.publish import publish, read_published
from voxelbench.encoders.upstream import LAYOUTS, import_weights
from voxelbench.errors import TrainingError
from voxelbench.resolve import PretrainSpec, spec_yaml

ROOT = Path(__file__).parents[2]
STEM = {
    "trunk": ["swinViT.patch_embed.proj.weight"],
    "skips": ["encoder1.layer.conv1.conv.weight", "encoder1.layer.conv3.conv.weight"],
}
SMALL = {
    "swin": {"feature_size": 12, "window_size": 3},
    "unet": {"widths": (8, 8, 8, 8, 8)},
    "nnformer": {"embed": 8, "num_heads": (1, 2, 4, 8), "roi": (64, 32, 32)},
}


@pytest.fixture(scope="module")
def preset():
    return read_encoder("swin12-demo")


@pytest.fixture
def make_backbone(tmp_path):
    """Return a function that publishes a backbone of random weights and returns its file."""

    def make(preset, parts, in_channels=1, seed=3):
        torch.manual_seed(seed)
        path = tmp_path / "run" / paths.BACKBONE
        publish(build(preset, in_channels, parts), path)
        return path

    return make


@pytest.fixture
def make_run():
    """Return a function that puts the record of a pretraining run beside a backbone."""

    def make(weights, preset, data="phantom"):
        spec = PretrainSpec(
            protocol=PROTOCOL,
            budget="demo",
            data=data,
            corpus="ct",
            members=({"dataset": "btcv", "channel": "ct"},),
            datasets={"btcv": 2},
            method="s2dc.code.g",
            method_version=3,
            encoder=preset,
            seed=7,
            device="cpu",
            threads=1,
            settings={"steps": 20, "crop": [32, 32, 32], "intensity": {"CT": {"kind": "window"}}},
        )
        (weights.parent / paths.SPEC).write_text(spec_yaml(spec))
        (weights.parent / paths.RUN).write_text(json.dumps({"voxelbench": "0.0.9", "spec_sha256": "abc"}))

    return make


def read_card(folder):
    """Return the facts of a card, and its Python."""
    card = (folder / "README.md").read_text()
    facts, code = re.fullmatch(r"---\n(.*?)---\n.*```python\n(.*?)```.*", card, re.DOTALL).groups()
    return yaml.safe_load(facts), code


@pytest.mark.parametrize("merging", ["legacy", "fixed"])
@pytest.mark.parametrize(
    ("parts", "in_channels", "use_v2"), [(("trunk",), 1, False), (("trunk", "skips", "decoder"), 2, True)]
)
def test_the_lines_of_the_card_give_monais_network_our_features(
    tmp_path, monkeypatch, preset, make_backbone, merging, parts, in_channels, use_v2
):
    own = preset.model_copy(update={"merging": merging, "use_v2": use_v2})
    weights = make_backbone(own, parts, in_channels)
    export(weights, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    found = {}
    exec(read_card(tmp_path / "out")[1], found)
    theirs, ours = found["model"].eval(), read_published(weights).backbone.eval()
    volume = torch.randn(1, in_channels, 64, 32, 32)
    with torch.inference_mode():
        features = ours.trunk(volume)
        pairs = zip(features, theirs.swinViT(volume, theirs.normalize), strict=True)
        assert all(torch.equal(own_map, their_map) for own_map, their_map in pairs)
        if "decoder" in parts:
            assert torch.equal(theirs(volume), theirs.out(ours(volume).decoded[-1]))
            assert {name.split(".")[0] for name in found["missing"]} == {"out"}


@pytest.mark.parametrize("encoder", ["gvsl-unet-demo", "alice-nnformer-demo"])
@pytest.mark.parametrize("parts", [("trunk",), PARTS], ids=["trunk", "whole"])
def test_the_lines_of_the_card_build_our_networks_too(tmp_path, monkeypatch, make_backbone, encoder, parts):
    weights = make_backbone(read_encoder(encoder), parts, in_channels=2)
    export(weights, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    facts, code = read_card(tmp_path / "out")
    assert "merging" not in facts
    found = {}
    exec(code, found)
    theirs, ours = found["model"], read_published(weights).backbone
    assert list(theirs.parts()) == [part for part in parts if part != "skips"]
    assert theirs.trunk.preset == ours.trunk.preset
    volume = torch.randn(1, 2, 64, 32, 32)
    with torch.inference_mode():
        pyramids = [net.eval()(volume) if "decoder" in parts else [net.eval().trunk(volume)] for net in (theirs, ours)]
    for their_maps, our_maps in zip(*pyramids, strict=True):
        assert all(map(torch.equal, their_maps, our_maps))
    tensors = load_file("model.safetensors")
    noted = re.findall("table of positions, `(.*)`,", (tmp_path / "out" / "README.md").read_text())
    assert set(noted) == {name for name in tensors if name.endswith(".position")}
    tensors.popitem()
    save_file(tensors, "model.safetensors")
    with pytest.raises(KeyError):
        exec(code, {})


def test_the_lines_of_the_card_notice_a_tensor_that_is_missing(tmp_path, monkeypatch, preset, make_backbone):
    export(make_backbone(preset, ("trunk",)), tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    tensors = load_file("model.safetensors")
    tensors.popitem()
    save_file(tensors, "model.safetensors")
    with pytest.raises(AssertionError):
        exec(read_card(tmp_path / "out")[1], {})


def test_the_card_names_the_run(tmp_path, preset, make_backbone, make_run):
    weights = make_backbone(preset, ("trunk", "skips"))
    make_run(weights, preset)
    export(weights, tmp_path / "out")
    facts, _ = read_card(tmp_path / "out")
    exported = tmp_path / "out" / "model.safetensors"
    assert facts == {
        "method": "s2dc",
        "variant": "code",
        "ablation": "g",
        "method_version": 3,
        "corpus": "ct",
        "datasets": {"btcv": 2},
        "data": "phantom",
        "budget": "demo",
        "seed": 7,
        "steps": 20,
        "preparation": {"crop": [32, 32, 32], "intensity": {"CT": {"kind": "window"}}},
        "backbone": "backbone.safetensors",
        "protocol": PROTOCOL,
        "voxelbench": "0.0.9",
        "spec_sha256": "abc",
        "encoder": preset.model_dump(mode="json"),
        "merging": "legacy",
        "stem": {"in_channels": 1, "layers": STEM["trunk"] + STEM["skips"]},
        "weights": {
            "file": "model.safetensors",
            "sha256": hashlib.sha256(exported.read_bytes()).hexdigest(),
            "n_tensors": len(load_file(exported)),
            "modules": ["swinViT", "encoder1", "encoder2", "encoder3", "encoder4", "encoder10"],
        },
    }


@pytest.mark.parametrize("data", ["phantom", "real"])
def test_weights_of_synthetic_volumes_say_so(tmp_path, preset, make_backbone, make_run, data):
    weights = make_backbone(preset, ("trunk",))
    make_run(weights, preset, data)
    export(weights, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert ("**PHANTOM: pretrained on synthetic volumes." in card) == (data == "phantom")
    assert "# s2dc.code.g, pretrained on ct\n" in card


def test_a_snapshot_is_of_the_run_above_it(tmp_path, preset, make_backbone, make_run):
    weights = make_backbone(preset, ("trunk",))
    make_run(weights, preset)
    snapshot = paths.snapshot(weights.parent, 10)
    snapshot.parent.mkdir()
    weights.rename(snapshot)
    export(snapshot, tmp_path / "out")
    facts, _ = read_card(tmp_path / "out")
    assert facts["seed"] == 7 and facts["backbone"] == "snapshots/step0000010.safetensors"


def test_weights_of_another_run_are_refused(tmp_path, preset, make_backbone, make_run):
    weights = make_backbone(preset.model_copy(update={"name": "other", "use_v2": False}), ("trunk",))
    make_run(weights, preset)
    with pytest.raises(TrainingError) as caught:
        export(weights, tmp_path / "out")
    assert str(caught.value) == (
        f"{weights}: is of encoder other, and {weights.parent / 'spec.yaml'} of swin12-demo; "
        "export it from the folder of its own run."
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", LAYOUTS)
def test_what_leaves_comes_in_again(tmp_path, make_backbone, method):
    layout = LAYOUTS[method]
    preset = read_encoder(layout.encoder)
    small = preset.model_copy(update=SMALL[preset.family])
    weights = make_backbone(small, layout.parts)
    export(weights, tmp_path / "out")
    import_weights(method, tmp_path / "out" / "model.safetensors", small, tmp_path / "again")
    ours, again = load_file(weights), load_file(tmp_path / "again")
    assert ours.keys() == again.keys() and all(torch.equal(ours[key], again[key]) for key in ours)
    export(tmp_path / "again", tmp_path / "twice")
    facts, _ = read_card(tmp_path / "twice")
    assert facts["method"] == method and facts["imported"]["checkpoint"] == "model.safetensors"
    first, second = (tmp_path / each / "model.safetensors" for each in ("out", "twice"))
    assert first.read_bytes() == second.read_bytes()


def test_only_a_published_backbone_is_exported(tmp_path, capsys):
    path = tmp_path / "weights"
    save_file({"swinViT.norm.weight": torch.zeros(1)}, path)
    assert main(["export", str(path), "--out", str(tmp_path / "out")]) == 1
    assert "weights: does not say which encoder it is of" in capsys.readouterr().err
    path.write_bytes(path.read_bytes()[:20])
    assert main(["export", str(path), "--out", str(tmp_path / "out")]) == 1
    assert "weights: cannot be read" in capsys.readouterr().err


def test_the_lines_of_the_documentation_are_those_of_a_card(tmp_path, make_backbone):
    export(make_backbone(read_encoder("swin48v2-legacy"), ("trunk",)), tmp_path / "out")
    assert f"```python\n{read_card(tmp_path / 'out')[1]}```" in (ROOT / "docs" / "weights.md").read_text()
