from snakemake.exceptions import WorkflowError

from voxelbench import config as voxelbench_config
from voxelbench import paths, preflight, registry
from voxelbench.config import EvalRun, MethodId, PretrainRun
from voxelbench.errors import VoxelbenchError

# Jobs run uninstalled; inside a conda environment Snakemake unsets PYTHONPATH, so it is set here, after activation.
# PYTHONSAFEPATH keeps the checkout's datasets/ from shadowing the package of that name.
shell.prefix("export PYTHONPATH=src PYTHONSAFEPATH=1; ")

try:
    preflight.check_conda(
        any(method.name == "CONDA" for method in workflow.deployment_settings.deployment_method)
    )
    CONFIG = voxelbench_config.read_config()
    BUDGET = voxelbench_config.read_budget(config.get("budget", CONFIG.budget))
except VoxelbenchError as error:
    raise WorkflowError(str(error)) from None

GPU = int(BUDGET.device == "cuda")


wildcard_constraints:
    budget=r"[a-z0-9_]+",
    table="|".join(CONFIG.tables),
    dataset=r"[a-z0-9_]+",
    task=r"[a-z0-9_]+",
    corpus=r"[a-z0-9_]+",
    method=r"[a-z0-9_.]+",
    encoder=r"[a-zA-Z0-9_-]+",
    data="real|phantom",
    grid=r"native|[0-9.]+mm",
    selection="last",
    protocol="finetune",
    fraction=r"[0-9.]+",
    seed=r"\d+",
    fold=r"\d+",


def pretrain_run(wildcards):
    return PretrainRun(
        wildcards.budget,
        wildcards.corpus,
        MethodId.parse(wildcards.method),
        wildcards.encoder,
        int(wildcards.seed),
    )


def eval_run(wildcards):
    return EvalRun(wildcards.dataset, wildcards.task, int(wildcards.fold), pretrain_run(wildcards))
