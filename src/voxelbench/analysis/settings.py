"""What the config says of an analysis. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field

from voxelbench.validation import Strict


class Scene(Strict):
    """The test cases of one task, seen through one channel: what an encoder of that modality was pretrained on."""

    dataset: str
    task: str
    channel: str


class AnchoredScene(Scene):
    """A scene and the classes of its anchors.

    The anchor of a class is the token of which that class covers most, the first of several: nobody picks it by hand.
    """

    anchors: tuple[str, ...] = Field(min_length=1)


class _Analysis(Strict):
    """What every analysis states: whose encoders, by default the configured methods', and of which seed."""

    methods: tuple[str, ...] | None = None
    seed: int = 0


class SimilarityAnalysis(_Analysis):
    """How similar is an anchor to every token of its volume? In each scene the first test case."""

    kind: Literal["similarity"]
    scenes: tuple[AnchoredScene, ...] = Field(min_length=1)


class OrgansAnalysis(_Analysis):
    """How far apart do the features of organs lie, over all test cases? And a t-SNE map of them."""

    kind: Literal["organs"]
    scene: Scene
    neighbours: int = Field(gt=0)
    perplexity: float = Field(gt=0)

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The one scene."""
        return (self.scene,)


class EvolutionAnalysis(_Analysis):
    """How often is the most similar token of another case in the same organ, snapshot by snapshot?

    Over the first `n_cases` test cases and all organs; `scene.anchors` are shown on a map.
    """

    kind: Literal["evolution"]
    scene: AnchoredScene
    n_cases: int = Field(ge=2)

    @property
    def scenes(self) -> tuple[AnchoredScene, ...]:
        """The one scene."""
        return (self.scene,)


AnyAnalysis = Annotated[SimilarityAnalysis | OrgansAnalysis | EvolutionAnalysis, Field(discriminator="kind")]
