"""The page that a person reads first in a published crate."""

from collections.abc import Mapping

from voxelbench import __version__, paths
from voxelbench.config import table_config
from voxelbench.publish.evidence import Evidence

_PAGE = """\
# Results of voxelbench {version}, budget {budget}

{tables}

Made at commit {commit} by {n_evaluations} evaluation runs on the weights of {n_pretrainings} pretraining runs.
{remark}
Files lie where they lie in a checkout of voxelbench. `{dictionary}` says what every column means,
`workflow/schemas` what its cells may be. `command` and `rebuild` in the `{run}` of a run are the lines that do it
again. No volume, label or weight of a dataset is in here; `datasets/*/card.yaml` says where each is to be had.

`{metadata}` describes every file (RO-Crate 1.3). To check that all is as it was published:

    sha256sum --check {checksums}

## Cells without a value

{empty}

## Left out

{withheld}
"""


def readme(evidence: Evidence, commit: str, withheld: Mapping[str, str], several_commits: str) -> str:
    """Return the page; `withheld` says by place what is left out of a file, and why."""
    return _PAGE.format(
        version=__version__,
        budget=evidence.budget,
        tables="\n".join(
            f"- `{paths.table(evidence.budget, name)}`: {table_config(name).title}" for name in evidence.tables
        ),
        commit=commit,
        n_evaluations=len(evidence.evaluations()),
        n_pretrainings=len(evidence.pretrainings()),
        remark=f"The runs are of several commits: {several_commits}\n" if several_commits else "",
        dictionary=paths.DICTIONARY,
        run=paths.RUN,
        metadata=paths.CRATE_METADATA,
        checksums=paths.CRATE_CHECKSUMS,
        empty=_listed(_empty_cells(evidence)),
        withheld=_listed([f"`{place}`: {why}" for place, why in withheld.items()]),
    )


def _empty_cells(evidence: Evidence) -> list[str]:
    """Return why cells are empty: each reason once, with the rows and columns that it empties."""
    lines = []
    for table, scores in evidence.scores.items():
        names = ["column", "method", "variant", "ablation", "reason"]
        without = scores.loc[scores["status"] != "ok", names].drop_duplicates()
        for reason, cells in without.groupby("reason", sort=True):
            rows = sorted({".".join(filter(None, row[1:4])) for row in cells.itertuples(index=False, name=None)})
            lines.append(f"{table}, {', '.join(sorted(set(cells['column'])))}, {', '.join(rows)}: {reason}")
    return lines


def _listed(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "Nothing."
