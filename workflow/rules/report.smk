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
        comparisons=paths.comparisons("{budget}", "{table}"),
        ranks=paths.ranks("{budget}", "{table}"),
    log:
        "logs/compare/{budget}-{table}.txt",
    conda:
        "../envs/base.yaml"
    params:
        table=table_name,
    shell:
        "python -m voxelbench compare {params.table} --budget {wildcards.budget} 2> {log}"


use rule compare as main_compare with:
    input:
        lambda wildcards: paths.scores(wildcards.budget, paths.MAIN_TABLE),
        lambda wildcards: paths.case_scores(wildcards.budget, paths.MAIN_TABLE),
    output:
        comparisons=paths.comparisons("{budget}", paths.MAIN_TABLE),
        ranks=paths.ranks("{budget}", paths.MAIN_TABLE),
    log:
        "logs/compare/{budget}.txt",


rule table:
    input:
        lambda wildcards: paths.scores(wildcards.budget, wildcards.table),
        lambda wildcards: paths.case_scores(wildcards.budget, wildcards.table),
        lambda wildcards: paths.comparisons(wildcards.budget, wildcards.table),
    output:
        report(paths.table("{budget}", "{table}"), caption="../report/table.rst", category="Tables"),
        paths.table("{budget}", "{table}").with_suffix(".md"),
        paths.table("{budget}", "{table}").with_suffix(".tex"),
    log:
        "logs/table/{budget}-{table}.txt",
    conda:
        "../envs/base.yaml"
    params:
        controls=controls_option,
    shell:
        "python -m voxelbench table {wildcards.table} --budget {wildcards.budget} {params.controls} 2> {log}"


rule cost:
    input:
        table_cases,
    output:
        runs=paths.cost("{budget}", "{table}"),
        rows=paths.cost_summary("{budget}", "{table}"),
    log:
        "logs/cost/{budget}-{table}.txt",
    conda:
        "../envs/base.yaml"
    params:
        table=table_name,
        controls=controls_option,
    shell:
        "python -m voxelbench cost {params.table} --budget {wildcards.budget} {params.controls} 2> {log}"


use rule cost as main_cost with:
    output:
        runs=paths.cost("{budget}", paths.MAIN_TABLE),
        rows=paths.cost_summary("{budget}", paths.MAIN_TABLE),
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
