EVALUATED = paths.evaluate_runs("{budget}") / paths.EVALUATE_RUN


rule evaluate:
    input:
        manifest=lambda wildcards: eval_manifest(eval_run(wildcards)),
        native=lambda wildcards: native_manifest(eval_run(wildcards)) or [],
        weights=eval_weights,
    output:
        cases=EVALUATED / paths.CASES,
        spec=EVALUATED / paths.SPEC,
        run=EVALUATED / paths.RUN,
        losses=EVALUATED / paths.LOSSES,
        examples=EVALUATED / paths.EXAMPLES,
    log:
        EVALUATED / paths.LOG,
    wildcard_constraints:
        protocol="finetune",
    conda:
        "../envs/engine.yaml"
    threads: BUDGET.threads
    resources:
        gpu=GPU,
    params:
        spec=lambda wildcards: resolve.spec_sha256(resolve.eval_spec(eval_run(wildcards))),
    shell:
        "python -m voxelbench evaluate {wildcards.dataset} --task {wildcards.task} --fold {wildcards.fold}"
        " --protocol {wildcards.protocol} --selection {wildcards.selection} --fraction {wildcards.fraction}"
        " --method {wildcards.method} --corpus {wildcards.corpus} --encoder {wildcards.encoder}"
        " --seed {wildcards.seed} --budget {wildcards.budget} 2> {log}"


# An external method runs in an environment of its own, and its folder has its code.
use rule evaluate as evaluate_external with:
    input:
        manifest=lambda wildcards: eval_manifest(eval_run(wildcards)),
        sources=lambda wildcards: registry.sources("methods", MethodId.parse(wildcards.method).name),
    output:
        cases=EVALUATED / paths.CASES,
        spec=EVALUATED / paths.SPEC,
        run=EVALUATED / paths.RUN,
        examples=EVALUATED / paths.EXAMPLES,
    wildcard_constraints:
        protocol="finetune",
        encoder=OWN_NETWORK,
    conda:
        lambda wildcards: f"../envs/{MethodId.parse(wildcards.method).name}.yaml"


# A probe trains no network, so it has no losses, and answers with no image.
use rule evaluate as probe with:
    output:
        cases=EVALUATED / paths.CASES,
        spec=EVALUATED / paths.SPEC,
        run=EVALUATED / paths.RUN,
    wildcard_constraints:
        protocol="token_probe|case_probe",
