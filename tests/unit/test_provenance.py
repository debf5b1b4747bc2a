"""What a run leaves: the code, the lines that make it anew, and the checksums of what it read."""

import hashlib
import json
import shlex
import subprocess

import pytest

import voxelbench.evaluate.run
import voxelbench.pretrain.run
from voxelbench import code_version, paths, provenance, registry
from voxelbench.atomic import write_text
from voxelbench.cli import main
from voxelbench.command_line import command, rebuild_command
from voxelbench.resolve import eval_spec, pretrain_spec, spec_yaml
from voxelbench.runs import NO_CORPUS, OWN_NETWORK, EvalRun, MethodId, PretrainRun

S2DC = PretrainRun("demo", "ct", MethodId.parse("s2dc.code.g_p2p"), "swin12-demo", 3)
SCRATCH = PretrainRun("full", NO_CORPUS, MethodId.parse("scratch.frozen"), "swin48v2-fixed", 0)
NNUNET = PretrainRun("demo", NO_CORPUS, MethodId.parse("nnunet"), OWN_NETWORK, 1)
RUNS = [
    S2DC,
    EvalRun("btcv", "segmentation", 2, S2DC, "finetune", "upstream"),
    EvalRun("cc_ccii", "classification", 0, SCRATCH, "finetune", "harness", 0.1),
    EvalRun("btcv", "segmentation", 0, S2DC, "token_probe"),
    EvalRun("msd_spleen", "segmentation", 0, NNUNET, "finetune", "harness"),
]


@pytest.mark.parametrize("run", RUNS, ids=command)
def test_the_command_of_a_run_does_that_run(checkout, monkeypatch, run):
    done = []
    monkeypatch.setattr(voxelbench.evaluate.run, "evaluate", done.append)
    monkeypatch.setattr(voxelbench.pretrain.run, "pretrain", done.append)
    monkeypatch.setattr("voxelbench.environment.enter", lambda card: None)
    python, *module, first, second = shlex.split(command(run))[:5]
    assert (python, *module) == ("python", "-m", "voxelbench")
    assert main([first, second, *shlex.split(command(run))[5:]]) == 0
    assert done == [run]


def test_the_workflow_is_told_the_target_the_budget_and_the_gpu(checkout):
    assert rebuild_command(S2DC) == (f"snakemake {S2DC.folder() / paths.BACKBONE} --cores all --config budget=demo")
    assert rebuild_command(RUNS[2]) == (
        f"snakemake {RUNS[2].folder() / paths.CASES} --cores all --resources gpu=1 --config budget=full"
    )


def test_a_record_says_what_was_asked_and_what_varies(checkout):
    run = RUNS[1]
    write_text(source := checkout / "input", "abc")
    provenance.write_failure(run.folder(), ValueError("earlier"))
    record = provenance.RunRecord(run, eval_spec(run))
    with record.phase("train"):
        sum(range(10**6))
    record.write([source])
    assert (run.folder() / paths.SPEC).read_text() == spec_yaml(eval_spec(run))
    left = json.loads((run.folder() / paths.RUN).read_text())
    assert left["inputs"] == {str(source): hashlib.sha256(b"abc").hexdigest()}
    assert left["seconds"].keys() == {"train"} and left["device"] == "cpu" and left["versions"]["numpy"]
    assert left["command"] == command(run) and left["rebuild"] == rebuild_command(run)
    assert left["cpu_seconds"] > left["seconds"]["train"] > 0 and left["is_resumed"] is False
    assert not (run.folder() / paths.FAILED).exists()


def test_a_manifest_is_pinned_with_the_checksums_of_the_native_files(tmp_path):
    folder = tmp_path / "prepared"
    for path in (paths.manifest(folder), paths.sources(folder)):
        write_text(path, path.name)
    write_text(other := tmp_path / "weights", "")
    assert list(provenance.with_sources([paths.manifest(folder), other])) == [
        *(paths.manifest(folder), paths.sources(folder), other)
    ]


def test_a_run_after_an_interruption_says_so(checkout):
    write_text(S2DC.folder() / paths.CHECKPOINT, "")
    assert provenance.RunRecord(S2DC, pretrain_spec(S2DC)).is_resumed


def test_an_edited_method_has_another_checksum(checkout):
    before = provenance.method_sha256("s2dc")
    assert before == provenance.method_sha256("s2dc") != provenance.method_sha256("voco")
    source = registry.folder("methods", "s2dc") / "method.py"
    source.write_text(source.read_text() + "# edited\n")
    assert provenance.method_sha256("s2dc") != before


@pytest.fixture
def ask_git():
    """Return the function that asks git, which forgets its answer before and after."""
    code_version.code_version.cache_clear()
    yield code_version.code_version
    code_version.code_version.cache_clear()


def git(*arguments):
    settings = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(("git", *settings, *arguments), check=True, capture_output=True, text=True).stdout.strip()


def test_the_code_is_a_commit_and_what_was_changed_since(checkout, ask_git):
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    (checkout / "notes.txt").write_text("decides nothing")
    assert ask_git() == (git("rev-parse", "HEAD"), 0)
    (checkout / "methods" / "s2dc" / "method.py").write_text("edited")
    write_text(checkout / "methods" / "mine" / "method.py", "new")
    assert ask_git().n_changed == 0, "git is asked once a process"
    ask_git.cache_clear()
    assert ask_git() == (git("rev-parse", "HEAD"), 2)


def test_without_git_there_is_no_commit_and_no_failure(checkout, ask_git, monkeypatch):
    assert ask_git() == (None, None)
    ask_git.cache_clear()
    (checkout / ".git").write_text("gitdir: nowhere\n")
    assert ask_git() == (None, None)
    ask_git.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert ask_git() == (None, None)


def test_a_checkout_without_a_commit_has_none():
    assert code_version.parse_status("# branch.oid (initial)\n# branch.head main\n? src/new\n") == (None, 1)
