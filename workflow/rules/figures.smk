rule figure:
    input:
        lambda wildcards: figure_inputs(wildcards.figure, wildcards.budget),
    output:
        png=report(
            paths.figure("{budget}", "{figure}"),
            caption="../report/figure.rst",
            category="3 Figures",
            labels={"figure": "{figure}", "budget": "{budget}"},
        ),
        svg=paths.figure("{budget}", "{figure}", ".svg"),
        numbers=paths.figure("{budget}", "{figure}", ".csv"),
    log:
        "logs/figure/{budget}-{figure}.txt",
    conda:
        "../envs/base.yaml"
    params:
        title=lambda wildcards: figure_title(FIGURES[wildcards.figure]),
        caption=lambda wildcards: figure_caption(FIGURES[wildcards.figure], wildcards.budget),
    shell:
        "python -m voxelbench figure {wildcards.figure} --budget {wildcards.budget} 2> {log}"


# A copy of the configured budget's, where users look for it.
rule place_figure:
    input:
        placeable_figure,
    output:
        png=paths.placed("figures/{figure}", ".png"),
        svg=paths.placed("figures/{figure}", ".svg"),
        numbers=paths.placed("figures/{figure}"),
    log:
        "logs/place/figure-{figure}.txt",
    conda:
        "../envs/base.yaml"
    params:
        budget=lambda wildcards: figure_budget(wildcards.figure, config.get("budget")),
    shell:
        "python -m voxelbench place figures/{wildcards.figure} --budget {params.budget} 2> {log}"
