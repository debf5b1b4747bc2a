EVALUATED = paths.evaluate_runs("{budget}") / paths.EVALUATE_RUN


rule evaluate:
    input:
        manifest=lambda wildcards: eval_manifest(eval_run(wildcards)),
        weights=eval_weights,
    output:
        cases=EVALUATED / paths.CASES,
        spec=EVALUATED / paths.SPEC,
        run=EVALUATED / paths.RUN,
        losses=EVALUATED / paths.LOSSES,
    log:
        EVALUATED / paths.LOG,
    conda:
        "../envs/engine.yaml"
    threads: BUDGET.threads
    resources:
        gpu=GPU,
    params:
        spec=lambda wildcards: resolve.spec_sha256(resolve.eval_spec(eval_run(wildcards))),
    shell:
        "python -m voxelbench evaluate {wildcards.dataset} --task {wildcards.task} --fold {wildcards.fold}"
        " --method {wildcards.method} --corpus {wildcards.corpus} --encoder {wildcards.encoder}"
        " --seed {wildcards.seed} --budget {wildcards.budget} 2> {log}"
