"""Released checkpoints come in whole or not at all, and nothing in them is executed."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from voxelbench.cli import main
from voxelbench.config import read_encoder
from voxelbench.encoders.build import build, load_pretrained
from voxelbench.encoders.publish import read_published
from voxelbench.encoders.tensors import read_tensors
from voxelbench.encoders.upstream import LAYOUTS, import_weights
from voxelbench.errors import ConfigError, TrainingError

GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = "swinViT.layers1.0.blocks.0.attn.relative_position_index"
FINAL = {f"final.{level}.up.{kind}": torch.zeros(1) for level in range(3) for kind in ("weight", "bias")}
HEADS = {"proj_head.layer1.0.weight": torch.zeros(2, 2), "encoder_cof.layer.conv1.conv.weight": torch.zeros(2)}


def listed(file, key=None):
    content = json.loads((GOLDEN / f"{file}.json").read_text())
    return content[key] if key else content


def names(file, key=None):
    return [name if isinstance(name, str) else name[0] for name in listed(file, key)]


NAMES = {
    "s2dc": names("s2dc_encoder_params", "encoder"),
    "voco": names("voco_to_swinunetr_keys", "loaded"),
    "swinmm": names("swinmm_to_swinunetr_keys_v1", "loaded"),
    "gvsl": names("gvsl_unet_state_shapes"),
    "alice": [name for name in names("alice_nnformer_roi64_state_shapes") if not name.startswith("final.")],
}
SHAPES = {
    "s2dc": listed("s2dc_encoder_params", "encoder"),
    "gvsl": listed("gvsl_unet_state_shapes"),
    "alice": listed("alice_nnformer_roi64_state_shapes"),
}
SMALL = {
    "swin": {"feature_size": 12, "window_size": 3},
    "unet": {"widths": (8, 8, 8, 8, 8)},
    "nnformer": {"embed": 8, "num_heads": (1, 2, 4, 8), "roi": (64, 32, 32)},
}


def small(method):
    """The encoder of a method at a fraction of its width: the same names."""
    preset = read_encoder(LAYOUTS[method].encoder)
    return preset.model_copy(update=SMALL[preset.family])


@pytest.fixture(scope="module")
def released():
    """Return a function that draws the flat state of a method's encoder, under the names of its authors' network."""

    def make(method, seed=0):
        torch.manual_seed(seed)
        drawn = build(small(method), 1, LAYOUTS[method].parts)
        own = {key: tensor for part in drawn.parts().values() for key, tensor in part.state_dict().items()}
        return {name: own[name].clone() for name in NAMES[method]}

    return make


@pytest.fixture
def imported(tmp_path):
    """Return a function that saves a checkpoint, imports it, and returns the tensors of the backbone."""

    def bring_in(method, content, branch=""):
        torch.save(content, tmp_path / "released.pt")
        import_weights(method, tmp_path / "released.pt", small(method), tmp_path / "backbone", branch)
        parts = read_published(tmp_path / "backbone").backbone.parts()
        return {key: tensor for part in parts.values() for key, tensor in part.state_dict().items()}

    return bring_in


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def saved(method, state):
    """Leave out what the released code never saves."""
    return {name: tensor for name, tensor in state.items() if name not in LAYOUTS[method].unsaved}


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("method", LAYOUTS)
def test_the_declared_count_is_that_of_the_authors_network(method):
    assert LAYOUTS[method].n_tensors == len(NAMES[method])


@pytest.mark.parametrize("method", LAYOUTS)
def test_the_declared_encoder_has_the_shapes_of_the_authors_network(method):
    layout = LAYOUTS[method]
    drawn = build(read_encoder(layout.encoder), 1, layout.parts)
    own = {key: tensor.shape for part in drawn.parts().values() for key, tensor in part.state_dict().items()}
    own = saved(method, own)
    assert sorted(own) == sorted(NAMES[method])
    if method in SHAPES:
        assert own == {name: torch.Size(shape) for name, shape in SHAPES[method] if not name.startswith("final.")}


@pytest.mark.parametrize(
    ("method", "wrap"),
    [
        ("voco", lambda state: state),
        ("voco", lambda state: {"state_dict": prefixed("module.teacher.", state), "epoch": 3}),
        ("voco", lambda state: {"network_weights": prefixed("backbone.", state | HEADS)}),
        ("voco", lambda state: {"student": prefixed("backbone.", HEADS), "teacher": prefixed("backbone.", state)}),
        ("s2dc", lambda state: {"state_dict": prefixed("student.", state | HEADS), "optimizer": {"state": {0: {}}}}),
        ("s2dc", lambda state: {"net": prefixed("module.student.", state), "queue_cl": torch.zeros(90, 4)}),
        ("swinmm", lambda state: {"state_dict": prefixed("module.", state | HEADS), "global_step": 5}),
        ("swinmm", lambda state: {name.replace("swinViT", "swin_vit"): tensor for name, tensor in state.items()}),
        ("gvsl", lambda state: state),
        ("gvsl", lambda state: {"state_dict": prefixed("module.unet.", state)}),
        ("alice", lambda state: prefixed("module.", state)),
        ("alice", lambda state: {"state_dict": prefixed("backbone.", state | FINAL)}),
        ("alice", lambda state: {"student": prefixed("module.backbone.", state | FINAL), "teacher": FINAL, "epoch": 3}),
    ],
)
def test_a_checkpoint_comes_in_however_it_is_wrapped(released, imported, method, wrap):
    state = released(method)
    assert_equal(saved(method, imported(method, wrap(state))), state)


def test_the_whole_checkpoint_of_s2dc_gives_its_student(released, imported):
    student, teacher = released("s2dc", seed=1), released("s2dc", seed=2)
    ours = prefixed("student.", student) | prefixed("teacher.", teacher)
    everything = names("s2dc_encoder_params", "full_checkpoint")
    content = {"state_dict": {name: ours.get(name, torch.zeros(1)) for name in everything}}
    assert_equal(imported("s2dc", content), student)
    assert_equal(imported("s2dc", content, branch="teacher"), teacher)


def test_voco_gives_its_teacher(released, imported):
    student, teacher = released("voco", seed=1), released("voco", seed=2)
    content = {"state_dict": prefixed("student.", student) | prefixed("teacher.", teacher)}
    assert_equal(imported("voco", content), teacher)
    assert_equal(imported("voco", content, branch="student"), student)


def test_the_whole_checkpoint_of_gvsl_gives_its_unet(released, imported):
    state = released("gvsl")
    ours = prefixed("unet.", state)
    everything = names("gvsl_full_state_shapes")
    assert len(everything) == 104 and ours.keys() < set(everything)
    content = {name: ours.get(name, torch.zeros(1)) for name in everything}
    assert_equal(imported("gvsl", content), state)
    del content["unet.up4.conv.double_conv.4.bias"]
    message = refusal(imported, "gvsl", content)
    assert "found 71 of 72 tensors of gvsl, the first missing is up4.conv.double_conv.4.bias (it holds inc." in message


def test_positions_that_alice_never_saved_are_drawn_once_and_reported(tmp_path, released, imported, caplog):
    student, teacher = released("alice", seed=1), released("alice", seed=2)
    content = {"student": prefixed("module.backbone.", student), "teacher": prefixed("backbone.", teacher)}
    ours = imported("alice", content)
    assert caplog.messages[0] == (
        f"{tmp_path / 'released.pt'} lacks model_down.position, which the released code draws anew for each network "
        "and never saves; it was drawn from seed 0 and kept in the backbone, so its features are not those that the "
        "authors trained."
    )
    source = read_published(tmp_path / "backbone").source
    assert (source["drawn"], source["drawn_seed"], source["branch"]) == ("model_down.position", 0, "student")
    torch.manual_seed(4)
    other = imported("alice", content, branch="teacher")
    assert torch.equal(ours["model_down.position"], other["model_down.position"])
    assert ours["model_down.position"].std() > 0
    assert_equal(saved("alice", other), teacher)


def test_positions_that_are_there_are_taken(tmp_path, released, imported, caplog):
    state = released("alice")
    state["model_down.position"] = torch.randn(1, 8, 32, 16, 16)
    assert_equal(imported("alice", state), state)
    assert "lacks" not in caplog.text and "drawn" not in read_published(tmp_path / "backbone").source


def test_a_task_loads_what_was_imported_and_the_file_says_whose_it_is(tmp_path, released):
    save_file(prefixed("teacher.", released("voco")), tmp_path / "weights")
    import_weights("voco", tmp_path / "weights", small("voco"), tmp_path / "backbone")
    fresh = build(small("voco"), 1, {"trunk", "skips", "decoder"})
    assert load_pretrained(fresh, tmp_path / "backbone") == {
        "trunk": "pretrained",
        "skips": "pretrained",
        "decoder": "random",
    }
    source = read_published(tmp_path / "backbone").source
    assert source["method"] == "voco" and source["checkpoint"] == "weights" and source["branch"] == "teacher"
    again = tmp_path / "again"
    import_weights("voco", tmp_path / "weights", small("voco"), again)
    assert again.read_bytes() == (tmp_path / "backbone").read_bytes()


def refusal(imported, method, content):
    with pytest.raises(TrainingError) as caught:
        imported(method, content)
    return str(caught.value)


def test_one_tensor_less_is_refused(tmp_path, released, imported):
    state = released("voco")
    del state["encoder10.layer.conv2.conv.weight"]
    assert refusal(imported, "voco", state) == (
        f"{tmp_path / 'released.pt'}: found 144 of 145 tensors of voco, the first missing is "
        "encoder10.layer.conv2.conv.weight (it holds swinViT.patch_embed.proj.weight); "
        "name a checkpoint of its pretraining, or the other `--branch`."
    )
    assert not (tmp_path / "backbone").exists()


def test_a_prefix_that_no_one_knows_matches_nothing_and_says_so(released, imported):
    message = refusal(imported, "s2dc", prefixed("my.", released("s2dc")))
    assert "found 0 of 134 tensors of s2dc" in message and "it holds my.swinViT" in message


def test_the_wrong_branch_matches_nothing(released, imported):
    assert "it holds none of that branch" in refusal(imported, "s2dc", prefixed("teacher.", released("s2dc")))


def test_another_shape_is_refused(released, imported):
    state = released("swinmm")
    name = "swinViT.layers4.0.downsample.norm.weight"
    state[name] = torch.zeros(5)
    message = refusal(imported, "swinmm", state)
    assert f"{name} has shape (5,), encoder swin48v1-legacy builds (768,); name the encoder" in message


@pytest.mark.parametrize(
    ("method", "index"), [("s2dc", INDEX), ("alice", "model_down.layers.3.blocks.1.attn.relative_position_index")]
)
def test_another_order_of_positions_is_refused(released, imported, method, index):
    state = released(method)
    state[index] = state[index].flip(0)
    assert f"{index} differs from ours" in refusal(imported, method, state)


def test_a_tensor_that_is_there_twice_is_refused(released, imported):
    state = released("swinmm")
    message = refusal(imported, "swinmm", {"net": state, "model": state})
    assert "holds swinViT.patch_embed.proj.weight twice, as net.swinViT" in message


def test_an_encoder_of_other_tensors_is_refused(tmp_path):
    with pytest.raises(ConfigError) as caught:
        import_weights("swinmm", tmp_path / "any", small("s2dc"), tmp_path / "backbone")
    assert str(caught.value) == (
        "encoder swin48v2-legacy builds 134 tensors in trunk, the checkpoints of swinmm hold 126; "
        "add `--encoder swin48v1-legacy`."
    )
    left_random = names("swinmm_to_swinunetr_keys_v2", "in_unetr_not_in_ssl")
    assert len([name for name in left_random if name.startswith("swinViT")]) == 134 - 126


def test_the_merging_of_later_monai_is_warned_of(tmp_path, released, caplog):
    save_file(released("swinmm"), tmp_path / "weights")
    later = small("swinmm").model_copy(update={"merging": "fixed"})
    import_weights("swinmm", tmp_path / "weights", later, tmp_path / "backbone")
    assert "they load and compute other features" in caplog.text


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_a_checkpoint_that_would_run_code_is_not_run(tmp_path, is_zip):
    path, touched = tmp_path / "unsafe.pt", tmp_path / "touched"
    torch.save(
        {"state_dict": {"a": torch.ones(1)}, "best": Payload(touched)}, path, _use_new_zipfile_serialization=is_zip
    )
    with pytest.raises(TrainingError, match=r"unsafe\.pt: would run code when read \(it calls io\.open\)"):
        read_tensors(path)
    assert not touched.exists()


def test_the_remedy_for_a_stored_optimiser_works(tmp_path):
    weight = torch.nn.Parameter(torch.arange(3.0))
    path = tmp_path / "it's own.pt"
    torch.save({"state_dict": {"a": weight.data}, "optimizer": torch.optim.AdamW([weight])}, path)
    with pytest.raises(TrainingError, match="AdamW") as caught:
        read_tensors(path)
    executable, *arguments = shlex.split(str(caught.value).split("`")[1])
    assert executable == "python"
    subprocess.run([sys.executable, *arguments], check=True)
    assert torch.equal(read_tensors(tmp_path / "it's own.pt.tensors")["a"], weight.data)


@pytest.mark.parametrize("save", [torch.save, lambda state, path: save_file(state, path)], ids=["torch", "safetensors"])
def test_a_truncated_file_is_refused(tmp_path, save):
    path = tmp_path / "cut"
    save({"a": torch.zeros(500)}, path)
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(TrainingError, match=r"cut: cannot be read as a checkpoint \(\w+\); it is damaged"):
        read_tensors(path)


@pytest.mark.parametrize("content", [b"", b"<html>moved</html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "page").write_bytes(content)
    with pytest.raises(TrainingError, match="cannot be read as a checkpoint"):
        read_tensors(tmp_path / "page")


def test_the_command_names_what_it_does_not_know(capsys, tmp_path):
    arguments = ["import-weights", "vocco", str(tmp_path / "no.pt"), "--out", str(tmp_path / "backbone")]
    assert main(arguments) == 1
    assert "layout of released checkpoints of 'vocco' is not known. Did you mean 'voco'?" in capsys.readouterr().err
    arguments[1] = "voco"
    assert main(arguments) == 1
    assert "no.pt: no such file" in capsys.readouterr().err
