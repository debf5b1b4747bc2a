"""Runs: what identifies one, as paths and the command line spell it. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voxelbench import paths, registry
from voxelbench.errors import ConfigError

NO_CORPUS = "none"
"""The corpus of a run without pretraining."""

OWN_NETWORK = "own"
"""The encoder of an external method, which brings its own network."""

Protocol = Literal["finetune", "token_probe", "case_probe"]
"""How an encoder is evaluated: with all weights trained, or frozen, by its tokens or by whole cases."""

Selection = Literal["harness", "upstream", "last"]
"""Whose scores choose the weights that are tested: validation cases held out of training, the reported cases
themselves as in much released code, or nobody's: the last step's weights."""

Track = Literal["common", "native"]
"""Whose encoder a table compares on: one for all methods, or each method's own network."""

TOKEN_PROBE: Literal["token_probe"] = "token_probe"


@dataclass(frozen=True)
class MethodId:
    """A row of a table: `name[.variant[.ablation]]`, as in paths and on the command line."""

    name: str
    variant: str = ""
    ablation: str = ""

    @classmethod
    def parse(cls, text: str) -> "MethodId":
        """Read "s2dc", "s2dc.code" or "s2dc.code.g". A pretext method without a variant means `code`."""
        name, variant, ablation, *extra = [*text.split("."), "", ""]
        if any(extra):
            raise ConfigError(f"method '{text}': expected name, name.variant or name.variant.ablation.")
        default = "code" if registry.method_card(name).is_pretext else ""
        return cls(name, variant or default, ablation)

    @property
    def variation(self) -> str:
        """`variant[.ablation]`, the column `variant` of tables and of all that is made of them."""
        return ".".join(part for part in (self.variant, self.ablation) if part)

    def __str__(self) -> str:
        return ".".join(part for part in (self.name, self.variation) if part)


RANDOM = MethodId("scratch")
"""The control whose encoder is not pretrained: what a probe compares with."""


@dataclass(frozen=True)
class PretrainRun:
    """The identity of a pretraining run, as its path spells it."""

    budget: str
    corpus: str
    method: MethodId
    encoder: str
    seed: int

    def folder(self) -> Path:
        """Return the run's folder."""
        return paths.pretrain_run(
            self.budget, corpus=self.corpus, method=self.method, encoder=self.encoder, seed=self.seed
        )

    def weights(self) -> Path | None:
        """Return the backbone that the run publishes, or None if it stands for no pretraining."""
        return None if self.corpus == NO_CORPUS else self.folder() / paths.BACKBONE


@dataclass(frozen=True)
class EvalRun:
    """The identity of an evaluation run, as its path spells it."""

    dataset: str
    task: str
    fold: int
    pretrain: PretrainRun
    protocol: Protocol = "finetune"
    selection: Selection = "last"
    fraction: float = 1.0

    def __post_init__(self) -> None:
        if self.protocol != "finetune" and self.selection != "last":
            raise ConfigError(f"a {self.protocol} trains no weights to select from; its selection is `last`.")
        if not 0 < self.fraction <= 1:
            raise ConfigError(f"label fraction {self.fraction:g}: expected a share above 0, at most 1.")

    def contamination(self) -> Path | None:
        """Return the record that says whether the corpus holds test cases, or None without pretraining."""
        budget, corpus = self.pretrain.budget, self.pretrain.corpus
        if corpus == NO_CORPUS:
            return None
        return paths.contamination(budget, corpus=corpus, dataset=self.dataset, task=self.task, fold=self.fold)

    def folder(self) -> Path:
        """Return the run's folder."""
        return paths.evaluate_run(
            self.pretrain.budget,
            dataset=self.dataset,
            task=self.task,
            selection=self.selection,
            protocol=self.protocol,
            fraction=f"{self.fraction:g}",
            corpus=self.pretrain.corpus,
            method=self.pretrain.method,
            encoder=self.pretrain.encoder,
            seed=self.pretrain.seed,
            fold=self.fold,
        )
