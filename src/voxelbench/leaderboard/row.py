"""One row of a leaderboard: a value, published or measured, with all that it takes to know what it is a value of."""

from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from voxelbench.evaluate.rows import Space
from voxelbench.leaderboard.metrics import metric
from voxelbench.report.rows import CsvRow, Share
from voxelbench.runs import Protocol, Selection

Word = Annotated[str, Field(pattern=r"^[a-z0-9_]*$")]
Words = Annotated[str, Field(pattern=r"^[a-z0-9_.]*$")]
Line = Annotated[str, Field(pattern=r"^[^\r\n]*$")]
Some = Annotated[int, Field(ge=1)]

PUBLISHED = "published"
"""The budget of a value that was published, whatever it was."""

AVERAGE = "average"
"""The dataset of a mean over datasets."""


class LeaderboardRow(CsvRow):
    """A value that a source prints, or that voxelbench measured. What is empty is not known.

    Values are as papers print them: shares (Dice, accuracy, AUC, SSIM) times 100, distances in mm, PSNR in dB.
    """

    KEY = (
        *("dataset", "task", "metric", "item", "statistic", "baseline", "fraction", "protocol", "selection", "space"),
        *("split", "fold", "method", "variant", "ablation", "encoder", "corpus", "budget", "data"),
        *("source", "source_version", "table", "row", "page"),
    )
    MADE_BY = "voxelbench leaderboard export"

    method: Word = Field(min_length=1, description="Folder of methods/, or a method of the literature.")
    variant: Word = Field("", description="code, paper, fixed ...; empty for what a paper calls its method.")
    ablation: Word = Field("", description="What was switched off; empty for the whole method.")
    encoder: str = Field("", pattern=r"^[A-Za-z0-9_-]*$", description="Preset of config/encoders, or `own`.")
    corpus: Word = Field("", description="Corpus of config/config.yaml; `none` without pretraining.")
    dataset: Word = Field(min_length=1, description="Folder of datasets/, a dataset of the literature, or `average`.")
    task: Word = Field("", description="Task of the dataset's card; empty for an average.")
    fraction: Share = Field(1.0, description="Share of the training patients that carry labels.")
    item: Line = Field("all", min_length=1, description="An organ, a class, a dose or a pair, or `all`: their mean.")
    metric: Word = Field(min_length=1, description="Name as in docs/protocol.md.")
    statistic: Literal["mean", "gain"] = Field(
        "mean", description="Whether `value` is the score itself, or what it has more than the `baseline`."
    )
    baseline: Words = Field("", description="What the source compares with: method[.variant][.ablation].")
    space: Literal[""] | Space = Field("", description="Where the score was taken.")
    split: Line = Field("", description="Split of the dataset's card; as the source says it where there is no card.")
    fold: str = Field("", pattern=r"^(\d+(\+\d+)*)?$", description="Folds that were tested, joined by +.")
    protocol: Literal["", "linear"] | Protocol = Field("", description="How it was trained; linear: a frozen backbone.")
    selection: Literal[""] | Selection = Field("", description="Whose scores chose the weights.")
    budget: Word = Field(min_length=1, description="File of config/budgets, or `published`.")
    data: Literal["", "real", "phantom"] = Field("", description="phantom: synthetic twins, which rank nothing.")
    value: FiniteFloat = Field(description="The number, in the metric's unit.")
    low: FiniteFloat | None = Field(None, description="Lower bound of the 95 % interval.")
    high: FiniteFloat | None = Field(None, description="Upper bound of the 95 % interval.")
    interval: Line = Field("", description="How the interval was made.")
    n_cases: Some | None = Field(None, description="Test cases.")
    n_patients: Some | None = Field(None, description="Patients of these cases.")
    n_seeds: Some | None = Field(None, description="Seeds, or repeated runs.")
    contamination: Line = Field("", description="Whether the corpus holds test cases: clean, overlap or unknown.")
    source: Line = Field(min_length=1, description="The document, or voxelbench.")
    source_version: Line = Field("", description="Its identifier; of voxelbench the version and the commit.")
    table: Line = Field("", description="Its table or figure.")
    row: Line = Field("", description="The row of that table, or the file of a repository.")
    page: Line = Field("", description="The page.")
    certainty: Literal["read", "inferred", "approximate", "measured", "rescored"] = Field(
        description="read: it stands there; inferred: `note` says what is; approximate: it stands there as about."
    )
    note: Line = Field("", description="What a reader has to know.")
    spec_sha256s: str = Field(
        "", pattern=r"^([0-9a-f]{64}( [0-9a-f]{64})*)?$", description="Identities of the runs behind it."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.low is not None or self.high is not None:
            self.in_order("low", "value", "high")
        if self.statistic == "gain" and not self.baseline:
            raise ValueError("a gain needs the baseline that it is a gain over")
        if self.certainty in ("inferred", "approximate") and not self.note:
            raise ValueError(f"{self.certainty} values need a note that says what is")
        self._check_range()
        return self

    def _check_range(self) -> None:
        unit = metric(self.metric)
        if unit is None or self.statistic == "gain":
            return
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not unit.low <= number <= unit.high:
                raise ValueError(f"{name} is {number:g}, and {self.metric} lies in {unit.low:g} to {unit.high:g}")

    @property
    def system(self) -> str:
        """What a baseline is named by: method[.variant][.ablation]."""
        return ".".join(part for part in (self.method, self.variant, self.ablation) if part)

    @property
    def key(self) -> tuple[object, ...]:
        """What no two rows of a file share: whose value of what it is, and where it stands."""
        return tuple(getattr(self, name) for name in self.KEY)
