"""The lines that make a run anew: its own command, and the workflow's, which makes what it needs too. No torch."""

from voxelbench import paths
from voxelbench.config import read_budget
from voxelbench.runs import EvalRun, PretrainRun


def command(run: EvalRun | PretrainRun) -> str:
    """Return the command that does a run, as a shell takes it; its inputs have to be there."""
    return " ".join(("python -m voxelbench", *(_evaluate(run) if isinstance(run, EvalRun) else _pretrain(run))))


def rebuild_command(run: EvalRun | PretrainRun) -> str:
    """Return the command that does a run and, from nothing, all that it needs: data, preparation, pretraining."""
    pretrain, result = (run.pretrain, paths.CASES) if isinstance(run, EvalRun) else (run, paths.BACKBONE)
    device = " --resources gpu=1" if read_budget(pretrain.budget).device == "cuda" else ""
    # The target comes first: `--resources` and `--config` take every word after them.
    return f"snakemake {run.folder() / result} --cores all{device} --config budget={pretrain.budget}"


def _pretrain(run: PretrainRun) -> tuple[str, ...]:
    return (f"pretrain {run.method} --corpus {run.corpus}", _options(run))


def _evaluate(run: EvalRun) -> tuple[str, ...]:
    return (
        f"evaluate {run.dataset} --task {run.task} --fold {run.fold}",
        f"--protocol {run.protocol} --selection {run.selection} --fraction {run.fraction:g}",
        f"--method {run.pretrain.method} --corpus {run.pretrain.corpus}",
        _options(run.pretrain),
    )


def _options(run: PretrainRun) -> str:
    return f"--encoder {run.encoder} --seed {run.seed} --budget {run.budget}"
