# voxelbench: from data to cell. `snakemake --cores all --use-conda results/table1.csv` makes the main table.
# WHAT runs stands in config/config.yaml, HOW LONG in config/budgets; names and expansions are Python in src/voxelbench.
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")
sys.path.insert(0, str(Path(workflow.basedir, "src")))


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
# ---- data: download or synthesise, then prepare -----------------------------------------------------------------
include: "workflow/rules/data.smk"
# ---- pretraining: one backbone per method, corpus and seed ------------------------------------------------------
include: "workflow/rules/pretrain.smk"
# ---- evaluation: finetune and score -----------------------------------------------------------------------------
include: "workflow/rules/evaluate.smk"
# ---- contamination: does a corpus hold test cases? --------------------------------------------------------------
include: "workflow/rules/contamination.smk"
# ---- analyses: what the tokens of frozen encoders say ------------------------------------------------------------
include: "workflow/rules/analysis.smk"
# ---- report: scores, tables ------------------------------------------------------------------------------------
include: "workflow/rules/report.smk"
# ---- figures: of tables, and of what lies behind them -----------------------------------------------------------
include: "workflow/rules/figures.smk"
# ---- leaderboard: our values in one schema, and beside published ones --------------------------------------------
include: "workflow/rules/leaderboard.smk"
# ---- site: the leaderboard, with a page for every cell ----------------------------------------------------------
include: "workflow/rules/site.smk"


# Everything that a report of the configured budget shows: `make report`.
rule evidence:
    input:
        site_files,


rule all:
    default_target: True
    input:
        paths.placed(paths.MAIN_TABLE),
