PRETRAINED = paths.pretrain_runs("{budget}") / paths.PRETRAIN_RUN


rule pretrain:
    input:
        manifests=lambda wildcards: pretrain_manifests(pretrain_run(wildcards)).values(),
        sources=lambda wildcards: registry.sources("methods", MethodId.parse(wildcards.method).name),
    output:
        backbone=PRETRAINED / paths.BACKBONE,
        spec=PRETRAINED / paths.SPEC,
        run=PRETRAINED / paths.RUN,
        losses=PRETRAINED / paths.LOSSES,
    log:
        PRETRAINED / paths.LOG,
    conda:
        "../envs/engine.yaml"
    # Processes change no number, so they are no param: a finished run stays finished.
    threads: BUDGET.threads * BUDGET.processes
    resources:
        gpu=GPU * BUDGET.processes,
    params:
        spec=lambda wildcards: resolve.spec_sha256(resolve.pretrain_spec(pretrain_run(wildcards))),
    shell:
        "python -m voxelbench pretrain {wildcards.method} --corpus {wildcards.corpus}"
        " --encoder {wildcards.encoder} --seed {wildcards.seed} --budget {wildcards.budget} 2> {log}"
