"""What a plug-in folder says of itself: `card.yaml`, read strictly and without importing the plug-in."""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from voxelbench.validation import Strict


class TaskKind(StrEnum):
    """The four downstream tasks of the benchmark."""

    segmentation = "segmentation"
    classification = "classification"
    reconstruction = "reconstruction"
    translation = "translation"


class Paper(Strict):
    """Where a method was published."""

    doi: str | None = None
    arxiv: str | None = None
    year: int
    authors: str


class Code(Strict):
    """The released code that the facts were read from. `licence: null` means that none was found."""

    url: str
    commit: str
    licence: str | None


class MethodCard(Strict):
    """`methods/<name>/card.yaml`.

    `checked_as` is the variant that the contract is checked on, where `code` needs what synthetic cases do not have.
    An external method names the `package` that it needs an environment of its own for, and the `tasks` that it does.
    """

    name: str
    title: str
    kind: Literal["pretext", "control", "external"]
    family: str
    paper: Paper | None = None
    code: Code | None = None
    fidelity: dict[str, Literal["faithful", "adapted", "inspired"]] = Field(default_factory=dict)
    exceptions: dict[str, str] = Field(default_factory=dict)
    checked_as: str | None = None
    package: str | None = None
    tasks: tuple[TaskKind, ...] = tuple(TaskKind)
    version: int

    @property
    def is_pretext(self) -> bool:
        """Whether the method pretrains an encoder here; a control or an external method does not."""
        return self.kind == "pretext"

    @property
    def is_external(self) -> bool:
        """Whether the method is a tool that brings its own network, training and environment."""
        return self.kind == "external"


class Access(Strict):
    """How a user comes to the data: the steps to take, and the tree that `data/raw/<name>` then holds.

    All that is not `open` is taken by hand: after registration, after signing an agreement, without either (`manual
    download`), or by its owners alone (`private access`).
    """

    kind: Literal["open", "registration", "agreement", "manual download", "private access"]
    home: str
    steps: tuple[str, ...]
    tree: str


class Expected(Strict):
    """Files or folders that belong under `data/raw/<name>`, `n` of them in the whole release where that is published.

    `also` are the globs that match their like in another release, or in another format.
    """

    pattern: str
    what: str
    n: int | None = None
    also: tuple[str, ...] = ()

    def found(self, raw: Path) -> list[Path]:
        """Return what is there, sorted, without hidden files (macOS puts `._*` beside each)."""
        found = {path for pattern in (self.pattern, *self.also) for path in raw.glob(pattern)}
        return sorted(path for path in found if not path.name.startswith("."))


class RemoteFile(Strict):
    """One openly downloadable file."""

    url: str
    md5: str | None = None
    sha256: str | None = None
    n_bytes: int | None = None


class ZenodoRecord(Strict):
    """Files of one record of Zenodo, by name; their sizes and checksums are asked of its API."""

    record: int
    files: tuple[str, ...]
    host: str = "https://zenodo.org"


class TaskCard(Strict):
    """One task of a dataset: which channels go in, and what has to come out."""

    name: str
    kind: TaskKind
    inputs: tuple[str, ...]
    target: Literal["label", "class"] | tuple[str, ...]
    split: str
    metrics: tuple[str, ...]
    labels: dict[int, str] | None = None
    version: int
    note: str = ""


class SplitRule(Strict):
    """How the cases that `splits.csv` does not list are divided.

    `hash`: by the hash of the patient id, `n_folds` folds; the fold under test is the test part.
    `rest-is-train`: every case that is not listed trains.
    `listed`: a case that is not listed belongs to no part.
    In all three a share `validation` of the training patients, again by hash, is held out to select the model,
    unless `splits.csv` lists validation cases. Where ids may not be passed on, `file` lists the cases instead: a user
    puts it under `data/raw/<name>`, and `prepare` reads it.
    """

    rule: Literal["hash", "rest-is-train", "listed"]
    n_folds: int = 1
    validation: float = Field(0.2, ge=0, lt=1)
    file: str | None = None
    source: str


class Twin(Strict):
    """The synthetic twin of a dataset: how many cases each part of the default split gets."""

    train: int
    val: int
    test: int
    version: int


class Cohort(Strict):
    """Datasets that hold the same patients under other ids: the name that they share on their cards.

    `patient` is a pattern for the whole patient id; its one group is what the patient is called in the cohort.
    """

    name: str
    patient: str
    source: str


class DatasetCard(Strict):
    """`datasets/<name>/card.yaml`: facts, no settings.

    `lists_subjects` says whether a table with a row a subject, of ids or diagnoses, may be passed on; where it may not,
    published results leave such tables out. `spacing` is what the source says of it. `n_cases` and `n_patients` are
    published counts, null where there is none.
    """

    name: str
    title: str
    licence: str
    citation: str
    access: Access
    layout: tuple[Expected, ...]
    files: tuple[RemoteFile, ...] = ()
    zenodo: tuple[ZenodoRecord, ...] = ()
    redistribute: str
    lists_subjects: bool = True
    modality: Literal["CT", "MRI", "PET"]
    channels: tuple[str, ...]
    units: tuple[str, ...]
    value_range: tuple[tuple[float, float], ...]
    spacing: str
    has_spacing: bool = True
    n_cases: int | None
    n_patients: int | None
    labels: dict[int, str] = Field(default_factory=dict)
    regions: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    classes: tuple[str, ...] = ()
    tasks: tuple[TaskCard, ...]
    splits: dict[str, SplitRule]
    twin: Twin | None
    cohort: Cohort | None = None
    version: int

    @model_validator(mode="after")
    def _is_consistent(self) -> "DatasetCard":
        n_channels = len(self.channels)
        if len(self.units) != n_channels or len(self.value_range) != n_channels:
            raise ValueError(f"needs one unit and one value_range for each of the {n_channels} channels")
        for task in self.tasks:
            targets = task.target if isinstance(task.target, tuple) else ()
            unknown = set(task.inputs) | set(targets)
            unknown -= set(self.channels)
            if unknown:
                raise ValueError(f"task {task.name} names channels {sorted(unknown)} that the dataset does not have")
            if task.split not in self.splits:
                raise ValueError(f"task {task.name} names split '{task.split}'; splits are {sorted(self.splits)}")
        return self

    @property
    def default_split(self) -> str:
        """The split of the benchmark's task, which comes first; of a collection without tasks, its first split."""
        return self.tasks[0].split if self.tasks else next(iter(self.splits))

    @property
    def may_be_redistributed(self) -> bool:
        """Whether `redistribute` allows to pass slices of real cases on: it begins with "yes", or "under" a licence."""
        return self.redistribute.startswith(("yes", "under "))

    def task(self, name: str) -> TaskCard:
        """Return the task called `name`. Raises KeyError if the card has none."""
        return {task.name: task for task in self.tasks}[name]
