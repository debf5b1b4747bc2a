PRETRAINED = paths.RESULTS / "{budget}" / "pretrain" / paths.PRETRAIN_RUN


rule pretrain:
    input:
        manifests=lambda wildcards: voxelbench_config.pretrain_manifests(pretrain_run(wildcards)).values(),
        sources=lambda wildcards: registry.sources("methods", MethodId.parse(wildcards.method).name),
    output:
        backbone=PRETRAINED / paths.BACKBONE,
        spec=PRETRAINED / paths.SPEC,
        run=PRETRAINED / paths.RUN,
        losses=PRETRAINED / paths.LOSSES,
    params:
        spec=lambda wildcards: voxelbench_config.spec_sha256(
            voxelbench_config.pretrain_spec(pretrain_run(wildcards))
        ),
    log:
        PRETRAINED / paths.LOG,
    threads: BUDGET.threads
    resources:
        gpu=GPU,
    conda:
        "../envs/engine.yaml"
    shell:
        "python -m voxelbench pretrain {wildcards.method} --corpus {wildcards.corpus}"
        " --encoder {wildcards.encoder} --seed {wildcards.seed} --budget {wildcards.budget} 2> {log}"
