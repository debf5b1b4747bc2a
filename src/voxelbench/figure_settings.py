"""What `figures:` of the config may say: a model for each kind of figure.

Snakemake's own process imports this module: no torch here, and no matplotlib.
"""

from typing import ClassVar

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
        " separate from the best of its panel."
    )


class LabelFractions(FigureSettings):
    """A table whose columns are shares of the labels, as curves."""

    READING = (
        "Marks: values x 100 of models trained on a share of the training patients; whiskers: 95 % intervals as in the"
        " table. Hollow marks, on real data alone: published values, each on the split of its authors."
    )


KINDS: dict[str, type[FigureSettings]] = {
    "bars": Bars,
    "label_fractions": LabelFractions,
}
"""The kinds of figures, and what each may be told. `voxelbench.report.figures.kinds` has who draws them."""
