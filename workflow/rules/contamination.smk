rule contamination:
    input:
        lambda wildcards: contamination_manifests(wildcards.corpus, wildcards.dataset, wildcards.budget).values(),
    output:
        paths.contaminations("{budget}") / paths.CONTAMINATION_GATE,
    log:
        "logs/contamination/{budget}-{corpus}-{dataset}-{task}-fold{fold}.txt",
    conda:
        "../envs/base.yaml"
    params:
        facts=lambda wildcards: contamination_facts(wildcards.corpus, wildcards.dataset, wildcards.task),
    shell:
        "python -m voxelbench contamination {wildcards.corpus} {wildcards.dataset}.{wildcards.task}"
        " --fold {wildcards.fold} --budget {wildcards.budget} > {log} 2>&1"
