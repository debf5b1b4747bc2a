# The pages read the folders of the runs behind the tables, too; what is not there is said on the page.
rule site:
    input:
        site_files,
    output:
        paths.site(),
    log:
        "logs/site.txt",
    conda:
        "../envs/base.yaml"
    params:
        budget=f"--budget {config['budget']}" if "budget" in config else "",
    shell:
        "python -m voxelbench site {params.budget} 2> {log}"
