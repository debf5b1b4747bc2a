rule scores:
    input:
        table_cases,
        table_contaminations,
    output:
        scores=paths.scores("{budget}", "{table}"),
        cases=paths.case_scores("{budget}", "{table}"),
    log:
        "logs/scores/{budget}-{table}.txt",
    conda:
        "../envs/base.yaml"
    params:
        table=table_name,
        controls=controls_option,
    shell:
        "python -m voxelbench scores {params.table} --budget {wildcards.budget} {params.controls} 2> {log}"


use rule scores as main_scores with:
    output:
        scores=paths.scores("{budget}", paths.MAIN_TABLE),
        cases=paths.case_scores("{budget}", paths.MAIN_TABLE),
    log:
        "logs/scores/{budget}.txt",


rule compare:
    input:
        lambda wildcards: paths.scores(wildcards.budget, wildcards.table),
        lambda wildcards: paths.case_scores(wildcards.budget, wildcards.table),
    output:
        comparisons=report(
            paths.comparisons("{budget}", "{table}"),
            caption="../report/comparisons.rst",
            category="2 Statistics",
            labels={"table": "{table}", "of": "cells", "budget": "{budget}"},
        ),
        ranks=report(
            paths.ranks("{budget}", "{table}"),
            caption="../report/ranks.rst",
            category="2 Statistics",
            labels={"table": "{table}", "of": "ranks", "budget": "{budget}"},
        ),
    log:
        "logs/compare/{budget}-{table}.txt",
    conda:
        "../envs/base.yaml"
    params:
        table=table_name,
        about=about_table,
    shell:
        "python -m voxelbench compare {params.table} --budget {wildcards.budget} 2> {log}"


use rule compare as main_compare with:
    input:
        lambda wildcards: paths.scores(wildcards.budget, paths.MAIN_TABLE),
        lambda wildcards: paths.case_scores(wildcards.budget, paths.MAIN_TABLE),
    output:
        comparisons=report(
            paths.comparisons("{budget}", paths.MAIN_TABLE),
            caption="../report/comparisons.rst",
            category="2 Statistics",
            labels={"table": paths.MAIN_TABLE, "of": "cells", "budget": "{budget}"},
        ),
        ranks=report(
            paths.ranks("{budget}", paths.MAIN_TABLE),
            caption="../report/ranks.rst",
            category="2 Statistics",
            labels={"table": paths.MAIN_TABLE, "of": "ranks", "budget": "{budget}"},
        ),
    log:
        "logs/compare/{budget}.txt",


rule table:
    input:
        lambda wildcards: paths.scores(wildcards.budget, wildcards.table),
        lambda wildcards: paths.case_scores(wildcards.budget, wildcards.table),
        lambda wildcards: paths.comparisons(wildcards.budget, wildcards.table),
    output:
        report(
            paths.table("{budget}", "{table}"),
            caption="../report/table.rst",
            category="1 Tables",
            labels={"table": "{table}", "budget": "{budget}"},
        ),
        paths.table("{budget}", "{table}").with_suffix(".md"),
        paths.table("{budget}", "{table}").with_suffix(".tex"),
    log:
        "logs/table/{budget}-{table}.txt",
    conda:
        "../envs/base.yaml"
    params:
        controls=controls_option,
        about=about_table,
    shell:
        "python -m voxelbench table {wildcards.table} --budget {wildcards.budget} {params.controls} 2> {log}"


rule cost:
    input:
        table_cases,
    output:
        runs=paths.cost("{budget}", "{table}"),
        rows=report(
            paths.cost_summary("{budget}", "{table}"),
            caption="../report/cost.rst",
            category="5 Cost",
            labels={"table": "{table}", "budget": "{budget}"},
        ),
    log:
        "logs/cost/{budget}-{table}.txt",
    conda:
        "../envs/base.yaml"
    params:
        about=about_table,
        table=table_name,
        controls=controls_option,
    shell:
        "python -m voxelbench cost {params.table} --budget {wildcards.budget} {params.controls} 2> {log}"


use rule cost as main_cost with:
    output:
        runs=paths.cost("{budget}", paths.MAIN_TABLE),
        rows=report(
            paths.cost_summary("{budget}", paths.MAIN_TABLE),
            caption="../report/cost.rst",
            category="5 Cost",
            labels={"table": paths.MAIN_TABLE, "budget": "{budget}"},
        ),
    log:
        "logs/cost/{budget}.txt",


# A copy of the configured budget's, where users look for it.
rule place:
    input:
        placeable,
        lambda wildcards: paths.figure(placed_budget(wildcards), table_figure(wildcards.table)),
    output:
        paths.placed("{table}"),
        paths.placed("{table}", ".md"),
        paths.placed("{table}", ".tex"),
    log:
        "logs/place/{table}.txt",
    conda:
        "../envs/base.yaml"
    params:
        budget=placed_budget,
    shell:
        "python -m voxelbench place {wildcards.table} --budget {params.budget} 2> {log}"


rule place_cost:
    input:
        placeable_costs,
    output:
        runs=paths.placed(paths.COST),
        rows=paths.placed(paths.COST_SUMMARY),
    log:
        "logs/place/cost.txt",
    conda:
        "../envs/base.yaml"
    params:
        budget=table_budget(paths.MAIN_TABLE, config.get("budget")),
        names=(paths.COST, paths.COST_SUMMARY),
    shell:
        "for name in {params.names}; do python -m voxelbench place $name --budget {params.budget}; done 2> {log}"
