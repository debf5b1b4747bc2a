"""The rows of the tidy CSVs: columns, types, allowed values and what must agree. results/README.md has their meaning.

An empty cell is an absent key, so a column without a default is never empty.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from voxelbench.evaluate.rows import Space
from voxelbench.runs import Protocol, Selection, Track

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[FiniteFloat, Field(ge=0)]
Share = Annotated[FiniteFloat, Field(gt=0, le=1)]
Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Data = Annotated[str, Field(pattern=r"^(real|phantom|phantom\+real)$")]
Contamination = Annotated[str, Field(pattern=r"(?s)^(clean|overlap \(\d+ cases?\)|unknown(: .*)?)$")]


class CsvRow(BaseModel):
    """A row of a CSV. `KEY` names the columns that no two rows share, `MADE_BY` the command that writes the file.

    `OPTIONAL` columns may be absent from the file as a whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    KEY: ClassVar[tuple[str, ...]]
    MADE_BY: ClassVar[str]
    OPTIONAL: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def columns(cls) -> list[str]:
        """Return the names of the columns, in the file's order."""
        return list(cls.model_fields)

    def in_order(self, *names: str) -> None:
        """Raise ValueError unless all the named columns are empty, or all have values that rise or are equal."""
        values = [getattr(self, name) for name in names]
        if all(value is None for value in values):
            return
        if None in values or sorted(values) != values:
            found = ", ".join("empty" if value is None else f"{value:g}" for value in values)
            raise ValueError(f"expected {' <= '.join(names)}, found {found}")


class Identity(CsvRow):
    """What names a run and the column of the table that it stands behind."""

    budget: Text
    data: Literal["real", "phantom"]
    column: Text
    corpus: Text
    method: Text
    variant: str = ""
    ablation: str = ""
    encoder: Text
    track: Track
    dataset: Text
    task: Text
    selection: Selection
    protocol: Protocol
    fraction: Share
    stem: Literal["", "random", "inflated"] = ""
    split: Text
    fold: Count
    seed: Count


_RUN = ("budget", "column", "corpus", "method", "variant", "ablation", "encoder", "fold", "seed")


class ScoreRow(Identity):
    """A row of `scores.csv`: one run and metric, or one run without scores and its reason."""

    KEY = (*_RUN, "metric", "space")
    MADE_BY = "voxelbench scores"

    metric: Text | None = None
    value: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    n_cases: Count | None = None
    space: Space | None = None
    seen: Literal["none", "train", "test images"]
    contamination: Contamination
    value_clean: FiniteFloat | None = None
    n_clean: Count | None = None
    status: Literal["ok", "gated", "failed", "missing"]
    reason: str = ""
    spec_sha256: Sha256

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        scored = (self.metric, self.value, self.n_cases, self.space)
        if self.status == "ok" and (None in scored or self.reason):
            raise ValueError("status ok needs metric, value, n_cases and space, and no reason")
        if self.status != "ok" and (any(each is not None for each in scored) or not self.reason):
            raise ValueError(f"status {self.status} needs a reason, and no metric, value, n_cases or space")
        if self.low is not None or self.high is not None:
            self.in_order("low", "value", "high")
        if (self.value_clean is not None) != bool(self.n_clean):
            raise ValueError("value_clean is there where n_clean is above 0, and only there")
        return self


class CaseRow(Identity):
    """A row of the tidy `cases.csv`: one run and test case, the headline metric."""

    KEY = (*_RUN, "case_id")
    MADE_BY = "voxelbench scores"

    metric: Text
    space: Space
    case_id: Text
    patient_id: Text
    value: FiniteFloat
    spec_sha256: Sha256


class ComparisonRow(CsvRow):
    """A row of `comparisons.csv`: one cell of a table, against scratch and against the best."""

    KEY = ("budget", "column", "metric", "method", "variant", "encoder")
    MADE_BY = "voxelbench compare"

    budget: Text
    data: Data
    column: Text
    metric: Text
    method: Text
    variant: str = ""
    encoder: Text
    n_cases: Count
    n_patients: Count
    n_seeds: Count
    value: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    scratch_difference: FiniteFloat | None = None
    scratch_low: FiniteFloat | None = None
    scratch_high: FiniteFloat | None = None
    scratch_p: Probability | None = None
    scratch_p_holm: Probability | None = None
    best_difference: FiniteFloat | None = None
    best_low: FiniteFloat | None = None
    best_high: FiniteFloat | None = None
    best_p: Probability | None = None
    best_p_holm: Probability | None = None
    group: Annotated[int, Field(ge=1)] | None = None
    is_small: bool | None = None
    detectable: Amount | None = None
    notes: str = ""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.low is not None or self.high is not None:
            self.in_order("low", "value", "high")
        for other in ("scratch", "best"):
            if getattr(self, f"{other}_low") is not None or getattr(self, f"{other}_high") is not None:
                self.in_order(f"{other}_low", f"{other}_difference", f"{other}_high")
            if getattr(self, f"{other}_p_holm") is not None:
                self.in_order(f"{other}_p", f"{other}_p_holm")
        if self.value is None and not self.notes:
            raise ValueError("a cell without a value needs its reason in notes")
        return self


class RankRow(CsvRow):
    """A row of `ranks.csv`: one row of a table over its datasets."""

    KEY = ("budget", "method", "variant", "encoder")
    MADE_BY = "voxelbench compare"

    budget: Text
    data: Data
    method: Text
    variant: str = ""
    encoder: Text
    mean_rank: Annotated[FiniteFloat, Field(ge=1)] | None = None
    n_datasets: Count
    friedman_p: Probability | None = None
    critical_difference: Amount | None = None
    group: Annotated[str, Field(pattern="^[a-zA-Z]*$")] = ""
    notes: str = ""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.mean_rank is None and not self.notes:
            raise ValueError("a row without a rank needs its reason in notes")
        return self


class CostRow(CsvRow):
    """A row of `cost.csv`: what one pretraining or evaluation run took."""

    KEY = ("budget", "stage", "column", "corpus", "method", "variant", "encoder", "fold", "seed")
    MADE_BY = "voxelbench cost"

    budget: Text
    data: Literal["real", "phantom"]
    stage: Literal["pretrain", "evaluate"]
    column: str = ""
    corpus: Text
    method: Text
    variant: str = ""
    encoder: Text
    dataset: str = ""
    task: str = ""
    fraction: Share | None = None
    fold: Count | None = None
    seed: Count
    device: str = ""
    n_processes: Count | None = None
    hours: Amount | None = None
    gpu_hours: Amount | None = None
    cpu_hours: Amount | None = None
    peak_memory_mb: Count | None = None
    peak_gpu_memory_mb: Count | None = None
    n_parameters: Count | None = None
    n_trained_parameters: Count | None = None
    flops_per_step: Count | None = None
    n_steps: Count | None = None
    energy_wh: Amount | None = None
    energy_source: str = ""
    status: Literal["ok", "gated", "failed", "missing"]
    reason: str = ""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.status == "ok") != (self.hours is not None):
            raise ValueError("status ok and hours go together")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"status {self.status} needs a reason")
        return self
