from voxelbench.data.source import MARK

RAW = str(paths.raw(CONFIG.data_root, "{dataset}", "real"))
TWIN = str(paths.raw(CONFIG.data_root, "{dataset}", "phantom"))
PREPARED = str(paths.prepared(CONFIG.data_root, "{dataset}", "{data}", "{grid}"))


rule download:
    output:
        f"{RAW}/{MARK}",
    log:
        "logs/download/{dataset}.txt",
    conda:
        "../envs/base.yaml"
    params:
        raw=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m voxelbench download {wildcards.dataset} --raw {params.raw} 2> {log}"


rule phantom:
    input:
        lambda wildcards: registry.sources("datasets", wildcards.dataset),
    output:
        f"{TWIN}/{MARK}",
    log:
        "logs/phantom/{dataset}.txt",
    conda:
        "../envs/base.yaml"
    params:
        out=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m voxelbench phantom {wildcards.dataset} --out {params.out} 2> {log}"


rule prepare:
    input:
        native=lambda wildcards: paths.raw(CONFIG.data_root, wildcards.dataset, wildcards.data) / MARK,
        sources=lambda wildcards: registry.sources("datasets", wildcards.dataset),
    output:
        paths.manifest(Path(PREPARED)),
    log:
        "logs/prepare/{dataset}-{data}-{grid}.txt",
    conda:
        "../envs/base.yaml"
    threads: 1  # one case at a time in each; more with `--set-threads prepare=N`
    params:
        raw=lambda wildcards, input: Path(input.native).parent,
        out=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m voxelbench prepare {wildcards.dataset} --raw {params.raw} --out {params.out}"
        " --grid {wildcards.grid} --workers {threads} 2> {log}"
