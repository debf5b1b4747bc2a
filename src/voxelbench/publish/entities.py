"""Who and what a crate speaks of besides its files: authors, licence, software, methods with papers, datasets."""

from typing import Any

from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from voxelbench import paths, registry
from voxelbench.cards import DatasetCard, MethodCard, Paper
from voxelbench.validation import read_yaml

SOFTWARE = "#voxelbench-"
"""Where the ids of our software begin, each of which goes on with a commit."""


def add_entity(crate: ROCrate, identity: str, kind: str, **facts: Any) -> ContextEntity:
    """Add an entity with those facts that are known, and return it."""
    known = {name: one_or_all(value) for name, value in facts.items() if value not in (None, "", [])}
    return crate.add(ContextEntity(crate, identity, properties={"@type": kind, **known}))


def one_or_all(value: Any) -> Any:
    """Return what a list of one holds, as the standard writes it; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def describe_root(crate: ROCrate, **facts: Any) -> None:
    """Say of the whole crate what CITATION.cff says, and `facts`."""
    citation = read_yaml(paths.in_checkout(paths.CITATION))
    licence = citation["license"]
    root = crate.root_dataset
    root["author"] = root["publisher"] = one_or_all([_author(crate, entry) for entry in citation["authors"]])
    address = f"https://spdx.org/licenses/{licence}"
    root["license"] = add_entity(crate, address, "CreativeWork", name=licence, description=f"the {licence} licence")
    root["keywords"] = citation.get("keywords", [])
    for name, value in facts.items():
        root[name] = value


def _author(crate: ROCrate, entry: dict[str, str]) -> ContextEntity:
    person = f"{entry.get('given-names', '')} {entry.get('family-names', '')}".strip()
    name = person or entry["name"]
    identity = entry.get("orcid") or f"#{name.lower().replace(' ', '-')}"
    return add_entity(crate, identity, "Person" if person else "Organization", name=name)


def add_software(crate: ROCrate, commit: str, version: str) -> ContextEntity:
    """Add voxelbench at a commit; its address is that of CITATION.cff, else the commit's name in the archive of all."""
    citation = read_yaml(paths.in_checkout(paths.CITATION))
    return add_entity(
        crate,
        f"{SOFTWARE}{commit[:12]}",
        "SoftwareApplication",
        name="voxelbench",
        description=citation["title"],
        url=citation.get("repository-code", f"https://archive.softwareheritage.org/swh:1:rev:{commit}"),
        version=f"{version}+{commit}",
        author=crate.root_dataset["author"],
        license=crate.root_dataset["license"],
    )


def add_method(crate: ROCrate, name: str, variants: list[str]) -> ContextEntity:
    """Add a method with its released code and its paper."""
    card = registry.method_card(name)
    code = card.code
    return add_entity(
        crate,
        f"#method-{name}",
        "CreativeWork",
        name=card.title,
        alternateName=name,
        description=f"{card.kind}, in the rows {', '.join(variants)}",
        version=str(card.version),
        url=code.url if code else None,
        usageInfo=f"facts read from the released code at {code.commit}, licence: {code.licence}" if code else None,
        citation=_add_paper(crate, card, card.paper) if card.paper else None,
    )


def _add_paper(crate: ROCrate, card: MethodCard, paper: Paper) -> ContextEntity:
    address = f"https://doi.org/{paper.doi}" if paper.doi else f"https://arxiv.org/abs/{paper.arxiv}"
    return add_entity(
        crate,
        address,
        "ScholarlyArticle",
        name=card.title,
        creditText=paper.authors,
        datePublished=str(paper.year),
    )


def add_dataset(crate: ROCrate, name: str) -> ContextEntity:
    """Add a dataset that is not in the crate: where it is, under which licence, and how one comes to it."""
    card: DatasetCard = registry.dataset_card(name)
    return add_entity(
        crate,
        f"#dataset-{name}",
        "CreativeWork",
        name=card.title,
        alternateName=name,
        url=card.access.home,
        license=add_entity(
            crate, f"#licence-{name}", "CreativeWork", name=card.licence, description=f"licence of {card.title}"
        ),
        citation=card.citation,
        conditionsOfAccess=card.access.kind,
        usageInfo=f"may be passed on: {card.redistribute}",
        version=str(card.version),
    )
