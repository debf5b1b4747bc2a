EVALUATED = paths.RESULTS / "{budget}" / "evaluate" / paths.EVALUATE_RUN


def eval_weights(wildcards):
    run = pretrain_run(wildcards)
    return [] if run.corpus == voxelbench_config.NO_CORPUS else run.folder() / paths.BACKBONE


rule evaluate:
    input:
        manifest=lambda wildcards: voxelbench_config.eval_manifest(eval_run(wildcards)),
        weights=eval_weights,
    output:
        cases=EVALUATED / paths.CASES,
        spec=EVALUATED / paths.SPEC,
        run=EVALUATED / paths.RUN,
        losses=EVALUATED / paths.LOSSES,
    params:
        spec=lambda wildcards: voxelbench_config.spec_sha256(voxelbench_config.eval_spec(eval_run(wildcards))),
    log:
        EVALUATED / paths.LOG,
    threads: BUDGET.threads
    resources:
        gpu=GPU,
    conda:
        "../envs/engine.yaml"
    shell:
        "python -m voxelbench evaluate {wildcards.dataset} --task {wildcards.task} --fold {wildcards.fold}"
        " --method {wildcards.method} --corpus {wildcards.corpus} --encoder {wildcards.encoder}"
        " --seed {wildcards.seed} --budget {wildcards.budget} 2> {log}"
