"""What `figures:` of the config may say: a model for each kind of figure.

Snakemake's own process imports this module: no torch here, and no matplotlib.
"""

from typing import ClassVar, Literal

from pydantic import Field

from voxelbench.validation import Strict


class FigureSettings(Strict):
    """One figure: its `kind`, and the `table` whose runs it shows; its title is the table's unless it says another.

    `READING` is how to read figures of this kind: one or two sentences for the caption.
    """

    READING: ClassVar[str]
    kind: str
    table: str
    title: str | None = None


class Bars(FigureSettings):
    """A table as bars."""

    READING = (
        "Bars: values x 100; whiskers: 95 % intervals as in the table. A star marks what the statistics do not"
        " separate from the best of its panel; where all tie, they separate nobody."
    )


class LabelFractions(FigureSettings):
    """A table whose columns are shares of the labels, as curves."""

    READING = (
        "Marks: values x 100 of models trained on a share of the training patients; whiskers: 95 % intervals as in the"
        " table. Hollow marks, on real data alone: published values, each on the split of its authors."
    )


class CostQuality(FigureSettings):
    """What the rows of a table cost against what they score: in one `column`, else on average."""

    READING = (
        "A mark: a row of the table, its cost over all its runs, pretraining counted once. Dashed: the front, whose"
        " rows nobody beats in score at the same cost or less. A measure on which all agree is not drawn."
    )
    column: str | None = None


class CriticalDifference(FigureSettings):
    """The mean ranks of a table's rows, and which of them differ."""

    READING = (
        "Mean rank over datasets, 1 the best. A bar joins what Nemenyi's test, asked after Friedman's, does not"
        " separate at 5 %: ranks closer than the critical difference."
    )


class Training(FigureSettings):
    """Losses over the steps of one `stage`; a curve has `n_points` points at most, each the mean of its steps."""

    READING = (
        "A line: one run. Of pretraining a row of panels a method, a panel a term before its weight, and the weighted"
        " total; of finetuning the loss, and below it the score of validation cases that selects the weights."
    )
    stage: Literal["pretrain", "finetune"]
    n_points: int = Field(200, gt=1)


class Montage(FigureSettings):
    """Test cases of one column: the best, the median and the worst of the `reference`, as every method answers them.

    Of several seeds and folds the first is shown.
    """

    READING = (
        "Best, median and worst test case of the reference, one axial slice each; of all methods the same cases."
        " Numbers are of the whole case, x 100."
    )
    column: str
    reference: str = "scratch"


class AnalysisFigure(FigureSettings):
    """A figure of an `analysis` of the config, behind which no table stands, so it has a title of its own."""

    table: Literal[""] = ""
    analysis: str
    title: str


class Similarity(AnalysisFigure):
    """How similar an anchor is to the tokens of its slice, encoder by encoder."""

    READING = (
        "Colour: cosine of a token to the anchor (square), over one axial slice; line: the anchor's organ. AUC, and"
        " precision among as many most similar tokens as hold the organ: over the whole volume; chance in brackets."
    )


class Distribution(AnalysisFigure):
    """How the similarities of an anchor to all tokens of its volume are distributed."""

    READING = (
        "Tokens of one volume by their cosine to an anchor: those that hold its organ, and the others, each as a share"
        " of its kind. Sharpness: (maximum - mean) / standard deviation, how far the best match stands out."
    )


class Organs(AnalysisFigure):
    """A t-SNE map of the features of organs, with how far apart they lie."""

    READING = (
        "A mark: one organ of one test case. t-SNE is an illustration: its distances and sizes mean nothing. Silhouette"
        " and purity (share of the same organ among the nearest others; chance in brackets) are of the features"
        " themselves, by cosine."
    )


class Evolution(AnalysisFigure):
    """How often the most similar token of another case holds the anchor's organ, over pretraining."""

    READING = (
        "Maps: cosine of the tokens of a second case to an anchor of the first; a square is the most similar of its"
        " volume, where the slice cuts it. Curves: over all organs and ordered pairs of cases, how often the most"
        " similar token holds the anchor's organ, and the mean AUC. Step 0 is the random start that all share."
    )


KINDS: dict[str, type[FigureSettings]] = {
    "bars": Bars,
    "label_fractions": LabelFractions,
    "cost_quality": CostQuality,
    "critical_difference": CriticalDifference,
    "training": Training,
    "montage": Montage,
    "similarity": Similarity,
    "distribution": Distribution,
    "organs": Organs,
    "evolution": Evolution,
}
"""The kinds of figures, and what each may be told. `voxelbench.report.figures.kinds` has who draws them."""
