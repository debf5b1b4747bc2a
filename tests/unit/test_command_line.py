"""The command line: exit status and one sentence for what a user can mend; new plug-ins; the doctor."""

import json
import subprocess
import sys

import pytest

from voxelbench import config, paths, provenance, registry
from voxelbench.cli import main
from voxelbench.doctor import examine
from voxelbench.errors import ConfigError
from voxelbench.scaffold import new_plugin


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["prepare", "btvc", "--raw", "r", "--out", "o"],
            "There is no folder datasets/btvc with a card.yaml. Did you mean 'btcv'?",
        ),
        (
            ["prepare", "btcv", "--raw", "r", "--out", "o", "--grid", "fine"],
            "grid 'fine': expected 'native' or a spacing in mm above 0, such as 1.5.",
        ),
        (
            ["evaluate", "btcv", "--task", "segmentatoin", "--method", "scratch", "--budget", "demo"],
            "btcv has no task 'segmentatoin'. Did you mean 'segmentation'?",
        ),
        (["phantom", "ct_samples", "--out", "o"], "ct_samples has no synthetic twin; it is always real data."),
    ],
)
def test_an_error_is_one_sentence_and_status_1(checkout, capsys, arguments, sentence):
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.err == f"voxelbench: {sentence}\n" and said.out == ""


def test_a_gated_dataset_says_the_steps_to_take(checkout, capsys):
    access = registry.dataset_card("btcv").access
    assert main(["download", "btcv", "--raw", "there"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"voxelbench: btcv needs {access.kind} ({access.home}):"
    assert said[1:4] == [f"  {number}. {step}" for number, step in enumerate(access.steps, start=1)]
    assert said[4:6] == ["Expected under there:", "  imagesTr/img0001.nii.gz ..."]


def test_outside_of_a_checkout_a_command_says_where_to_go(tmp_path, outside_environment):
    command = [sys.executable, "-m", "voxelbench", "scores", "table1"]
    done = subprocess.run(command, cwd=tmp_path, env=outside_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"voxelbench: {tmp_path} is not inside a checkout of voxelbench (no Snakefile here or above); change to one.\n"
    )


def test_a_failed_run_leaves_its_reason(checkout, capsys):
    arguments = ["evaluate", "btcv", "--task", "segmentation", "--method", "scratch", "--budget", "demo"]
    assert main(arguments) == 1
    (failed,) = paths.evaluate_runs("demo").rglob(paths.FAILED)
    record = json.loads(failed.read_text())
    assert record["error"] == "DataError"
    assert capsys.readouterr().err.endswith(f"voxelbench: {record['reason']}\n")


@pytest.mark.parametrize("name", ["mae", "zz_top", "a1"])
def test_a_new_method_is_whole_and_listed(checkout, name):
    said = new_plugin("methods", name)
    folder = checkout / "methods" / name
    assert said == f"wrote {folder}; edit it, then run `voxelbench check {name}`."
    template = {path.name for path in (checkout / "methods" / "_template").iterdir()}
    expected = {file.replace("_template", f"_{name}") for file in template}
    assert {path.name for path in folder.iterdir()} == expected and f"test_{name}.py" in expected
    assert registry.method_card(name).name == name
    assert (folder / "README.md").read_text().startswith(f"# {name}\n")
    assert not [path for path in folder.iterdir() if "_template" in path.read_text()]
    index = [line for line in (checkout / "methods" / "README.md").read_text().splitlines() if line.startswith("| [")]
    cards = [registry.method_card(each) for each in registry.names("methods")]
    assert index == [
        f"| [{card.name}]({card.name}/README.md) | {card.kind} | {card.family} | {card.title} |" for card in cards
    ]


def test_a_new_method_keeps_the_contract(checkout, outside_environment):
    new_plugin("methods", "toy")
    command = [sys.executable, "-m", "voxelbench", "check", "toy"]
    done = subprocess.run(command, cwd=checkout, env=outside_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("pass") == 12


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Mae", "'Mae' cannot name a plug-in; use lower-case letters, digits and _, a letter first."),
        ("3d", "'3d' cannot name a plug-in; use lower-case letters, digits and _, a letter first."),
        ("s2dc", "methods/s2dc exists; choose another name, or edit it."),
    ],
)
def test_names_that_cannot_be(checkout, name, sentence):
    with pytest.raises(ConfigError) as caught:
        new_plugin("methods", name)
    assert str(caught.value) == sentence


def test_without_a_template_there_is_nothing_to_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("VOXELBENCH_PLUGINS", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        new_plugin("methods", "mae")
    assert str(caught.value) == "There is no methods/_template to copy; run this inside a checkout."


def test_the_doctor_has_a_line_for_everything(checkout, capsys):
    assert examine() == 0
    lines = capsys.readouterr().out.splitlines()
    corpora = [f"corpus {name}" for name in config.read_config().corpora]
    starts = [line[4:].split(":")[0] for line in lines]
    assert starts == ["packages", "config", "disk", "conda", "GPU", *registry.names("datasets"), *corpora]


def test_the_doctor_finds_a_broken_config(checkout, capsys):
    (checkout / "config" / "config.yaml").write_text("budget: demo\n")
    assert examine() == 1
    assert f"--  config: {checkout}/config/config.yaml: key 'data_root' is missing." in capsys.readouterr().out


def test_a_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file.txt"
    provenance.write_text(path, "first")
    with pytest.raises(UnicodeEncodeError):
        provenance.write_text(path, "half \udc80")
    assert path.read_text() == "first"
