from voxelbench.analysis.plan import analysis_facts, analysis_inputs

ANALYSED = paths.analysis("{budget}", "{analysis}")


# Snapshots lie beside the backbones that are inputs here.
rule analyse:
    input:
        lambda wildcards: analysis_inputs(wildcards.analysis, wildcards.budget),
    output:
        scores=ANALYSED / paths.SCORES,
        tokens=ANALYSED / paths.TOKENS,
        slices=ANALYSED / paths.SLICES,
    log:
        "logs/analyse/{budget}-{analysis}.txt",
    wildcard_constraints:
        analysis="|".join(name for name, settings in CONFIG.analyses.items() if settings.kind != "organs"),
    conda:
        "../envs/engine.yaml"
    threads: BUDGET.threads
    resources:
        gpu=GPU,
    params:
        facts=lambda wildcards: analysis_facts(wildcards.analysis, wildcards.budget),
    shell:
        "python -m voxelbench analyse {wildcards.analysis} --budget {wildcards.budget} 2> {log}"


use rule analyse as analyse_organs with:
    output:
        scores=ANALYSED / paths.SCORES,
        points=ANALYSED / paths.POINTS,
    wildcard_constraints:
        analysis="|".join(name for name, settings in CONFIG.analyses.items() if settings.kind == "organs"),
