"""`ro-crate-metadata.json`: what every file of a crate is, what made it, and what it stands on."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from voxelbench import __version__, paths
from voxelbench.code_version import commit_date
from voxelbench.publish.contents import datasets, methods
from voxelbench.publish.entities import add_dataset, add_entity, add_method, add_software, describe_root
from voxelbench.publish.evidence import Evidence, record

_FORMATS = {
    "": "text/plain",
    ".cff": "application/yaml",
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tex": "application/x-tex",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}


def write_metadata(folder: Path, evidence: Evidence, files: Mapping[str, str], commit: str, remarks: str) -> None:
    """Write the metadata of a folder that has its files; `files` says what each is, by its place."""
    crate = ROCrate()
    describe_root(
        crate,
        name=f"voxelbench results, budget {evidence.budget}: {', '.join(evidence.tables)}",
        description=f"Tables {', '.join(evidence.tables)} of voxelbench with every run behind them. {remarks}".strip(),
        # The commit's, not the clock's: the same results give the same bytes.
        datePublished=commit_date(commit),
    )
    for place, what in sorted(files.items()):
        crate.add_file(folder / place, place, properties=_facts(folder / place, what))
    versions = _versions(evidence)
    made_by = {each: add_software(crate, each, version) for each, version in versions.items()}
    publisher = made_by[commit] if commit in made_by else add_software(crate, commit, __version__)
    data = [add_dataset(crate, name) for name in datasets(evidence)]
    compared = [add_method(crate, name, _variants(evidence, name)) for name in methods(evidence)]
    actions = _add_actions(crate, evidence, list(made_by.values()), publisher, data)
    crate.root_dataset["mentions"] = [*actions, *data, *compared]
    crate.write(folder)


def _facts(path: Path, what: str) -> dict[str, str]:
    facts = {"name": path.name, "description": what, "contentSize": str(path.stat().st_size), "sha256": sha256(path)}
    return facts | {"encodingFormat": _FORMATS.get(path.suffix, "application/octet-stream")}


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions(evidence: Evidence) -> dict[str, str]:
    """Return the version of voxelbench at each commit that made a run, as the runs say."""
    records = map(record, evidence.runs.values())
    return dict(sorted((each["code"]["commit"], each["voxelbench"]) for each in records))


def _variants(evidence: Evidence, method: str) -> list[str]:
    names = ["method", "variant", "ablation"]
    rows = (scores.loc[scores["method"] == method, names] for scores in evidence.scores.values())
    return sorted({".".join(filter(None, row)) for frame in rows for row in frame.itertuples(index=False, name=None)})


def _add_actions(
    crate: ROCrate,
    evidence: Evidence,
    runs: list[ContextEntity],
    publisher: ContextEntity,
    data: Iterable[ContextEntity],
) -> list[ContextEntity]:
    """Add what made the runs, whose own lines are in their records, and what made the crate of them."""
    finished = [str(record(run)["finished"]) for run in evidence.runs.values()]
    ran = add_entity(
        crate,
        "#runs",
        "CreateAction",
        name=f"{len(evidence.pretrainings())} pretraining and {len(evidence.evaluations())} evaluation runs",
        description=f"`command` and `rebuild` of each {paths.RUN} are the lines that do a run again.",
        instrument=runs,
        object=list(data),
        result=[crate.dereference(str(run.folder() / paths.RUN)) for run in evidence.runs.values()],
        startTime=min(finished),
        endTime=max(finished),
    )
    line = f"voxelbench publish --budget {evidence.budget} --table {' '.join(evidence.tables)} --out FOLDER"
    made = add_entity(
        crate, "#publish", "CreateAction", name=line, instrument=publisher, result=crate.root_dataset, object=ran
    )
    return [ran, made]
