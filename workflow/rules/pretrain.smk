# Processes and their launcher change no number, so no param holds them: a finished run stays finished.
SEVERAL = f"python -m torch.distributed.run --standalone --nproc-per-node {BUDGET.processes}"
LAUNCHER = SEVERAL if BUDGET.processes > 1 else "python"
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
    threads: BUDGET.threads * BUDGET.processes
    resources:
        gpu=GPU * BUDGET.processes,
    params:
        spec=lambda wildcards: resolve.spec_sha256(resolve.pretrain_spec(pretrain_run(wildcards))),
    shell:
        "{LAUNCHER} -m voxelbench pretrain {wildcards.method} --corpus {wildcards.corpus}"
        " --encoder {wildcards.encoder} --seed {wildcards.seed} --budget {wildcards.budget} 2> {log}"
