rule delta:
    input:
        paths.published_leaderboard(),
        lambda wildcards: leaderboard_inputs(wildcards.budget),
    output:
        report(
            paths.delta("{budget}"),
            caption="../report/delta.rst",
            category="4 Published values",
            labels={"budget": "{budget}"},
        ),
        paths.delta("{budget}").with_suffix(".md"),
        paths.delta("{budget}").with_suffix(".tex"),
    log:
        "logs/delta/{budget}.txt",
    conda:
        "../envs/base.yaml"
    shell:
        "python -m voxelbench delta --budget {wildcards.budget} 2> {log}"


# A copy of the configured budget's, where users look for it.
rule place_delta:
    input:
        placeable_delta,
    output:
        paths.placed(paths.DELTA),
        paths.placed(paths.DELTA, ".md"),
        paths.placed(paths.DELTA, ".tex"),
    log:
        "logs/place/delta.txt",
    conda:
        "../envs/base.yaml"
    params:
        name=paths.DELTA,
        budget=BUDGET.name,
    shell:
        "python -m voxelbench place {params.name} --budget {params.budget} 2> {log}"


rule export_leaderboard:
    input:
        exportable,
    output:
        paths.own_leaderboard(__version__),
    log:
        "logs/leaderboard/export.txt",
    conda:
        "../envs/base.yaml"
    params:
        budget=BUDGET.name,
    shell:
        "python -m voxelbench leaderboard export --budget {params.budget} 2> {log}"
