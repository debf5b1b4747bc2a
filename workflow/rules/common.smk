from typing import get_args

from snakemake.exceptions import WorkflowError

from voxelbench import __version__, paths, preflight, registry, resolve
from voxelbench.config import leaderboard_tables, read_budget, read_config, table_budget
from voxelbench.errors import VoxelbenchError
from voxelbench.expand import (
    asked_controls,
    contamination_facts,
    contamination_manifests,
    eval_manifest,
    gate,
    native_manifest,
    pretrain_manifests,
    table_runs,
)
from voxelbench.figure_inputs import (
    figure_budget,
    figure_caption,
    figure_inputs,
    figure_names,
    figure_settings,
    figure_title,
    table_caption,
    table_figure,
)
from voxelbench.report.place import check_replace
from voxelbench.report.site.sources import site_figures, table_files
from voxelbench.runs import NO_CORPUS, OWN_NETWORK, EvalRun, MethodId, PretrainRun, Protocol, Selection

# Jobs run uninstalled; inside a conda environment Snakemake unsets PYTHONPATH, so it is set here, after activation.
# PYTHONSAFEPATH keeps the checkout's datasets/ from shadowing the package of that name.
shell.prefix("export PYTHONPATH=src PYTHONSAFEPATH=1; ")

try:
    USES_CONDA = any(method.name == "CONDA" for method in workflow.deployment_settings.deployment_method)
    preflight.check_conda(USES_CONDA)
    CONFIG = read_config()
    BUDGET = read_budget(config.get("budget", CONFIG.budget))
    FIGURES = {name: figure_settings(name) for name in figure_names()}
    CONTROLS = asked_controls(config.get("controls"))
    GPU = int(BUDGET.device == "cuda")
    # A cluster's own scheduler counts its GPUs; only a local run is started with a number of cores.
    runs_locally = workflow.is_main_process and workflow.resource_settings.cores is not None
    preflight.check_gpu(BUDGET.name, bool(GPU), runs_locally, "gpu" in workflow.global_resources)
except VoxelbenchError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    budget=r"(?!figures/)[a-z0-9_]+",
    table="|".join(CONFIG.tables),
    figure="|".join(FIGURES),
    dataset=r"[a-z0-9_]+",
    task=r"[a-z0-9_]+",
    corpus=r"[a-z0-9_]+",
    method=r"[a-z0-9_.]+",
    encoder=rf"(?!{OWN_NETWORK}/)[a-zA-Z0-9_-]+",
    data="real|phantom",
    grid=r"native|[0-9.]+mm",
    selection="|".join(get_args(Selection)),
    protocol="|".join(get_args(Protocol)),
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
    return EvalRun(
        wildcards.dataset,
        wildcards.task,
        int(wildcards.fold),
        pretrain_run(wildcards),
        wildcards.protocol,
        wildcards.selection,
        float(wildcards.fraction),
    )


def eval_weights(wildcards):
    return pretrain_run(wildcards).weights() or []


def table_name(wildcards):
    return wildcards.get("table", paths.MAIN_TABLE)


def about_table(wildcards):
    return table_caption(table_name(wildcards), wildcards.budget)


def controls_option(wildcards):
    return "" if CONTROLS is None else " ".join(["--controls", *CONTROLS])


def table_cases(wildcards):
    runs = table_runs(table_name(wildcards), wildcards.budget, CONTROLS)
    return [run.folder() / paths.CASES for _, run in runs if gate(run, USES_CONDA) is None]


def table_contaminations(wildcards):
    runs = table_runs(table_name(wildcards), wildcards.budget, CONTROLS)
    records = (run.contamination() for _, run in runs if gate(run, USES_CONDA) is None)
    return sorted({record for record in records if record is not None})


def placed_budget(wildcards):
    return table_budget(wildcards.table, config.get("budget"))


def placeable(wildcards):
    placed, budget = paths.placed(wildcards.table), placed_budget(wildcards)
    check_replace(placed, budget, is_asked=bool(config.get("replace")))
    return paths.table(budget, wildcards.table)


def placeable_figure(wildcards):
    figure = wildcards.figure
    budget = figure_budget(figure, config.get("budget"))
    check_replace(paths.placed(f"figures/{figure}"), budget, is_asked=bool(config.get("replace")))
    return [paths.figure(budget, figure, suffix) for suffix in (".png", ".svg", ".csv")]


def placeable_costs(wildcards):
    budget = table_budget(paths.MAIN_TABLE, config.get("budget"))
    check_replace(paths.placed(paths.COST), budget, is_asked=bool(config.get("replace")))
    return [paths.cost(budget, paths.MAIN_TABLE), paths.cost_summary(budget, paths.MAIN_TABLE)]


def site_files(wildcards):
    asked = config.get("budget")
    tables = [table_files(name, table_budget(name, asked)) for name in CONFIG.site.tables]
    figures = [paths.figure(figure_budget(name, asked), name, ".svg") for name in site_figures()]
    return [*(file for table in tables for file in table.values()), *figures, paths.delta(BUDGET.name)]


def leaderboard_inputs(budget):
    kinds = (paths.scores, paths.case_scores, paths.comparisons)
    return [of_table(budget, table) for table in leaderboard_tables(budget) for of_table in kinds]


def refuse_replacing(placed):
    check_replace(placed, BUDGET.name, is_asked=bool(config.get("replace")))


def placeable_delta(wildcards):
    refuse_replacing(paths.placed(paths.DELTA))
    return paths.delta(BUDGET.name)


def exportable(wildcards):
    refuse_replacing(paths.own_leaderboard(__version__))
    return leaderboard_inputs(BUDGET.name)
